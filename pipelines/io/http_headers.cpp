#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>

#include "pipelines/io/http_client.hpp"

namespace banger {
namespace {

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

/// "[::1]:5000", "127.0.0.1:5000" and "::1" without port and brackets.
std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == host.npos ? std::string_view() : host.substr(1, end - 1);
    }
    const auto colon = host.find(':');
    const bool only_one = colon != host.npos && host.find(':', colon + 1) == host.npos;
    return only_one ? host.substr(0, colon) : host;
}

}  // namespace

void HttpHeaders::add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
}

void HttpHeaders::set(std::string name, std::string value) {
    erase(name);
    add(std::move(name), std::move(value));
}

void HttpHeaders::erase(std::string_view name) {
    std::erase_if(fields_, [name](const auto& field) { return same_name(field.first, name); });
}

std::optional<std::string> HttpHeaders::find(std::string_view name) const {
    for (const auto& [key, value] : fields_) {
        if (same_name(key, name)) return value;
    }
    return std::nullopt;
}

std::vector<std::string> HttpHeaders::find_all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : fields_) {
        if (same_name(key, name)) values.push_back(value);
    }
    return values;
}

bool is_loopback_host(std::string_view host) {
    const std::string name(without_port(host));
    if (same_name(name, "localhost")) return true;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(name, error);
    return !error && address.is_loopback();
}

}  // namespace banger

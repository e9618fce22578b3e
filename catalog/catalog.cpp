#include "catalog/catalog.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/http_target.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"

namespace banger::catalog {
namespace {

constexpr std::string_view kFile = "file://";

[[noreturn]] void refuse(std::string_view what, std::string_view why) {
    fail(Errc::invalid_argument, "{}: {}", what, why);
}

bool is_name(std::string_view name) {
    auto ordinary = [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= 128 &&
           std::isalnum(static_cast<unsigned char>(name.front())) &&
           std::ranges::all_of(name, ordinary);
}

bool is_file(const Entry& entry) {
    return entry.kind == "bundle" || entry.kind == "deb";
}

/// Of kinds that are not known nothing but the name and the arch is.
void check_entry(const Entry& entry) {
    if (entry.arch.empty()) fail(Errc::invalid_argument, "it has no arch");
    if (entry.kind.empty()) fail(Errc::invalid_argument, "it has no kind");
    if (entry.url.empty()) fail(Errc::invalid_argument, "it has no url");
    if (!entry.kernel_ref.empty() && !is_name(entry.kernel_ref)) {
        fail(Errc::invalid_argument, "its kernel_ref '{}' is no name", entry.kernel_ref);
    }
    if (!entry.sha256.empty()) parse_digest("sha256:" + entry.sha256);
    if (!is_file(entry)) return;
    check_url(entry.url);
    if (entry.sha256.empty()) fail(Errc::invalid_argument, "it has no sha256");
    if (entry.size == 0) fail(Errc::invalid_argument, "it has no size");
}

void check_entries(const Catalog& catalog, std::string_view what) {
    std::set<std::pair<std::string, std::string>> seen;
    for (const auto& entry : catalog.entries) {
        if (!is_name(entry.name)) {
            refuse(what, fmt::format("'{}' is no name for an entry", entry.name));
        }
        try {
            check_entry(entry);
        } catch (const Error& error) {
            refuse(what, fmt::format("entry '{}': {}", entry.name, error.what()));
        }
        if (!seen.emplace(entry.name, entry.arch).second) {
            refuse(what, fmt::format("two entries are named '{}' for {}", entry.name, entry.arch));
        }
    }
}

}  // namespace

bool Catalog::is_expired(std::chrono::system_clock::time_point now) const {
    const auto end = parse_rfc3339(expires);
    return !end || std::chrono::system_clock::from_time_t(*end) <= now;
}

Catalog parse_catalog(std::string_view text, std::string_view what) {
    auto catalog = from_json<Catalog>(parse_json(text, what), what);
    if (catalog.version == 0) refuse(what, "it has no version");
    if (catalog.type != kImages && catalog.type != kKernels) {
        refuse(what, fmt::format("its type is 'images' or 'kernels', not '{}'", catalog.type));
    }
    if (!parse_rfc3339(catalog.expires)) {
        refuse(what, fmt::format("it does not say when it expires, as 2027-01-01T00:00:00Z does"));
    }
    check_entries(catalog, what);
    return catalog;
}

void check_url(std::string_view url) {
    if (url.starts_with(kFile)) {
        if (url.substr(kFile.size()).starts_with('/')) return;
        fail(Errc::invalid_argument, "'{}' is no file's URL: write file:///absolute/path", url);
    }
    if (!url.starts_with("https://") && !url.starts_with("http://")) {
        fail(Errc::invalid_argument,
             "'{}' is neither https:// nor file://, nor http:// on a loopback address", url);
    }
    const auto target = parse_http_url(std::string(url));
    if (!target.tls && !is_loopback_host(target.host)) {
        fail(Errc::invalid_argument, "'{}' is plain HTTP to another host; use https://", url);
    }
}

}  // namespace banger::catalog

#include "cli/api_client.hpp"

#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include "daemon/api/types.hpp"

namespace banger::cli {
namespace {

constexpr std::size_t kBodyLimit = 64 * 1024 * 1024;

struct ErrorEnvelope {
    std::optional<api::ErrorBody> error;
};
BOOST_DESCRIBE_STRUCT(ErrorEnvelope, (), (error))

HttpOptions options_for(const std::string& socket) {
    HttpOptions options;
    options.unix_socket = socket;
    // The daemon is on this host: a slow answer means work, not a broken path.
    options.header_timeout = std::chrono::minutes(5);
    options.stall_timeout = std::chrono::hours(24);
    return options;
}

}  // namespace

std::string encode_segment(std::string_view text) {
    return boost::urls::encode(text, boost::urls::unreserved_chars);
}

Error read_error_body(int status, std::string_view body) {
    Error fallback(Errc::internal, fmt::format("bangerd answered with status {}", status));
    try {
        const auto envelope = from_json<ErrorEnvelope>(parse_json(body, "the daemon's answer"));
        if (!envelope.error) return fallback;
        return Error(errc_from_string(envelope.error->code), envelope.error->message);
    } catch (const Error&) {
        return fallback;
    }
}

ApiClient::ApiClient(boost::asio::any_io_executor executor, std::string socket)
    : socket_(std::move(socket)),
      http_(std::make_unique<HttpClient>(std::move(executor), options_for(socket_))) {}

Task<std::unique_ptr<HttpResponse>> ApiClient::send(std::string method, std::string target,
                                                    std::string body) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = "http://banger" + target;
    if (!body.empty()) request.headers.set("Content-Type", "application/json");
    request.body = std::move(body);
    co_return co_await send(std::move(request));
}

Task<std::unique_ptr<HttpResponse>> ApiClient::send(HttpRequest request) {
    std::unique_ptr<HttpResponse> response;
    std::string unreachable;
    try {
        response = co_await http_->send(std::move(request));
    } catch (const Error& error) {
        if (error.code() != Errc::unavailable) throw;
        unreachable = error.what();
    }
    if (!response) {
        throw DaemonUnreachable(fmt::format("no bangerd answers on {}: {}", socket_, unreachable));
    }
    if (response->status() < 400) co_return response;
    const auto text = co_await response->read_all(kBodyLimit);
    throw read_error_body(response->status(), text);
}

Task<boost::json::value> ApiClient::send_for_json(std::string method, std::string target,
                                                  std::string body) {
    const auto response = co_await send(std::move(method), std::move(target), std::move(body));
    const auto text = co_await response->read_all(kBodyLimit);
    if (text.empty()) co_return nullptr;
    co_return parse_json(text, "the daemon's answer");
}

Task<boost::json::value> ApiClient::get(std::string target) {
    return send_for_json("GET", std::move(target), "");
}

Task<boost::json::value> ApiClient::post(std::string target, boost::json::value body) {
    return send_for_json("POST", std::move(target), boost::json::serialize(body));
}

Task<boost::json::value> ApiClient::put(std::string target, boost::json::value body) {
    return send_for_json("PUT", std::move(target), boost::json::serialize(body));
}

Task<boost::json::value> ApiClient::patch(std::string target, boost::json::value body) {
    return send_for_json("PATCH", std::move(target), boost::json::serialize(body));
}

Task<boost::json::value> ApiClient::post_archive(std::string target, ByteSource& archive) {
    HttpRequest request;
    request.method = "POST";
    request.url = "http://banger" + target;
    request.headers.set("Content-Type", "application/x-tar");
    request.body_source = &archive;
    const auto response = co_await send(std::move(request));
    co_return parse_json(co_await response->read_all(kBodyLimit), "the daemon's answer");
}

Task<boost::json::value> ApiClient::remove(std::string target) {
    return send_for_json("DELETE", std::move(target), "");
}

Task<std::string> ApiClient::get_text(std::string target) {
    const auto response = co_await send("GET", std::move(target), "");
    co_return co_await response->read_all(kBodyLimit);
}

Task<std::unique_ptr<HttpResponse>> ApiClient::open_stream(std::string target) {
    return send("GET", std::move(target), "");
}

}  // namespace banger::cli

#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/types.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/websocket.hpp"

namespace banger::api {

/// A request as the handlers see it: everything is decoded and within its limits.
struct Request {
    std::string method;
    std::string target;  ///< as it came: path and query
    HttpHeaders headers;
    std::string body;
    bool wants_websocket = false;

    std::vector<std::string> segments;                            ///< of the path
    std::vector<std::pair<std::string, std::string>> query;       ///< '+' is a space, as in forms
    std::map<std::string, std::string, std::less<>> path_params;  ///< of the route: "vm", "id", …

    const std::string& param(std::string_view name) const { return path_params.find(name)->second; }
    std::optional<std::string> query_value(std::string_view name) const;
    std::vector<std::string> query_values(std::string_view name) const;
    /// "true", "1" or an empty value; false when absent; anything else throws
    /// Error{invalid_argument}.
    bool query_flag(std::string_view name) const;
    /// A whole number in [0, max]; throws Error{invalid_argument}.
    std::optional<std::uint64_t> query_number(std::string_view name, std::uint64_t max) const;
};

/// Fills in `segments` and `query` from `target`. Throws Error{invalid_argument} for a target that
/// is no path, and for segments that are empty, dots, or hold control characters.
void parse_target(Request& request);

struct Response {
    int status = 200;
    std::string content_type;
    std::string body;
    HttpHeaders headers;
};

Response json_response(const boost::json::value& body, int status = 200);
/// The same of what is a JSON text already.
Response json_text_response(std::string text, int status = 200);
/// {"error":{…}}; bytes of the message that are no UTF-8 become '?'.
Response error_response(int status, ErrorBody error);

/// Whether the body is an archive (Content-Type application/x-tar), which is not read in advance.
bool is_archive(const Request& request);

/// The body as a described struct; an empty body is an empty object.
template <class T>
T parse_body(const Request& request) {
    if (request.body.empty()) return T{};
    return from_json<T>(parse_json(request.body, "the request body"));
}

/// The way out of a handler whose answer is a stream. Until begin() or upgrade() has been called an
/// exception still becomes an HTTP error. The handler is cancelled when its client goes away.
class Exchange {
  public:
    virtual ~Exchange() = default;
    /// Sends status and header at once.
    virtual Task<void> begin(int status, std::string content_type) = 0;
    /// Sends `text` at once, and suspends as long as the client does not read; an empty one is
    /// nothing.
    virtual Task<void> write(std::string text) = 0;
    /// Accepts the WebSocket that was asked for, with this subprotocol. The socket lives no longer
    /// than the exchange.
    virtual Task<std::unique_ptr<WebSocket>> upgrade(std::string subprotocol) = 0;
    virtual bool begun() const noexcept = 0;
};

}  // namespace banger::api

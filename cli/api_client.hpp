#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "pipelines/io/byte_source.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/task.hpp"

namespace banger::cli {

/// No daemon answers on the socket: the one error with an exit status of its own.
class DaemonUnreachable : public Error {
  public:
    explicit DaemonUnreachable(const std::string& message) : Error(Errc::unavailable, message) {}
};

/// A path segment or query value with everything but unreserved characters percent-encoded.
std::string encode_segment(std::string_view text);

/// The daemon's REST API. An answer of 400 and above is thrown as the Error that its body
/// describes, no answer as DaemonUnreachable. One request at a time.
class ApiClient {
  public:
    ApiClient(boost::asio::any_io_executor executor, std::string socket);

    /// `target` is path and query, beginning with "/v1".
    Task<boost::json::value> get(std::string target);
    Task<boost::json::value> post(std::string target, boost::json::value body);
    Task<boost::json::value> put(std::string target, boost::json::value body);
    Task<boost::json::value> patch(std::string target, boost::json::value body);
    /// The body is an archive, sent as it comes.
    Task<boost::json::value> post_archive(std::string target, ByteSource& archive);
    Task<boost::json::value> remove(std::string target);
    Task<std::string> get_text(std::string target);
    /// A stream without end, such as server-sent events.
    Task<std::unique_ptr<HttpResponse>> open_stream(std::string target);

    const std::string& socket() const { return socket_; }

  private:
    Task<std::unique_ptr<HttpResponse>> send(HttpRequest request);
    Task<std::unique_ptr<HttpResponse>> send(std::string method, std::string target,
                                             std::string body);
    Task<boost::json::value> send_for_json(std::string method, std::string target,
                                           std::string body);

    std::string socket_;
    std::unique_ptr<HttpClient> http_;
};

/// The Error in a body of `{"error":{"code","message"}}`; one made of the status when it has none.
Error read_error_body(int status, std::string_view body);

}  // namespace banger::cli

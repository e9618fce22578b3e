#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <string>

#include "daemon/vm/firecracker_calls.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/task.hpp"

namespace banger::vm {

/// Firecracker's API at its Unix socket. One call at a time.
class FirecrackerClient {
  public:
    FirecrackerClient(boost::asio::any_io_executor executor, const std::string& socket);
    /// Throws Error{invalid_argument} with Firecracker's own fault message when it refuses,
    /// Error{unavailable} when it does not listen, Error{timed_out} after 10 s without an answer.
    Task<void> call(FirecrackerCall call);

  private:
    HttpClient http_;
};

/// <directory>/api.sock
std::string firecracker_socket(const std::string& vm_directory);

/// What Firecracker's refusal says: the fault message of its JSON, or the text itself, in one line.
std::string firecracker_fault(const std::string& body);

}  // namespace banger::vm

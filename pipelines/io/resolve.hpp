#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger {

/// The addresses of `host`, at least one. Throws Error{unavailable} naming a host that has none,
/// and {timed_out} after `limit`. getaddrinfo(3) cannot be interrupted: on a cancellation or
/// timeout its answer is waited for by nobody, and arrives in Asio's resolver thread.
Task<std::vector<boost::asio::ip::tcp::endpoint>> resolve_host(std::string host, std::string port,
                                                               std::chrono::seconds limit);

}  // namespace banger

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "cli/api_client.hpp"
#include "daemon/paths.hpp"
#include "pipelines/io/blocking_pool.hpp"

namespace banger::cli {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNoDaemon = 3;

/// What every command works with. `pool` reads and writes the standard streams.
struct Session {
    boost::asio::any_io_executor executor;
    BlockingPool& pool;
    Paths paths;
    ApiClient client;
    bool json = false;
    bool verbose = false;
};

/// Writes to standard output; throws when that fails. A closed pipe is not a failure.
void print(std::string_view text);
void print_json(const boost::json::value& value);
/// One line of banger's own words, on standard error so that standard output is the command's.
void say(std::string_view text);

}  // namespace banger::cli

#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace banger {

/// What every coroutine of banger returns. It runs on the one io_context thread and starts when
/// awaited.
template <class T = void>
using Task = boost::asio::awaitable<T>;

/// Completion token for I/O leaves that look at the error code themselves:
/// `auto [ec, n] = co_await socket.async_read_some(buffer, as_tuple);`
inline constexpr auto as_tuple = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace banger

#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>

#include "pipelines/io/http_target.hpp"

namespace banger::image {

/// How far inside an address lies; a larger one is nearer to home.
enum class Reach {
    everybody,    ///< the public internet
    private_net,  ///< RFC 1918, carrier NAT, IPv6 unique local
    host,         ///< loopback
    link,         ///< link-local (cloud metadata lives there), unspecified, multicast
};

Reach reach_of(const boost::asio::ip::address& address);

/// Keeps a registry from sending us to places that it could not reach itself: a token service or a
/// redirect in a private network, on this host, at a cloud's metadata address. The measure is where
/// the registry itself was found: one inside a private network may have its token service there,
/// too. Looked at for every address a name resolves to, at the moment of connecting; the registry's
/// own host and port are always allowed. Does no I/O.
class AddressGuard {
  public:
    explicit AddressGuard(HttpTarget registry) : registry_(std::move(registry)) {}

    /// Throws Error{unauthorized} for a token service nearer to home than the registry.
    void check_token_service(const HttpTarget& target, const boost::asio::ip::address& address);
    /// The same for what a blob is redirected to, except that a private network is put up with:
    /// storage is often reached by a private way, gets no credentials, and is verified by digest.
    void check_redirect(const HttpTarget& target, const boost::asio::ip::address& address);

  private:
    bool is_own(const HttpTarget& target, const boost::asio::ip::address& address);

    HttpTarget registry_;
    /// Of the registry's own addresses the outermost; before it was reached it counts as public.
    Reach own_ = Reach::everybody;
    bool reached_ = false;
};

}  // namespace banger::image

#include "pipelines/image/registry/address_guard.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;

namespace {

namespace ip = boost::asio::ip;

Reach reach(const std::string& address) {
    return reach_of(ip::make_address(address));
}

/// A registry that was found at `address`, and what its guard says of a host at another.
struct Registry {
    explicit Registry(const std::string& address) {
        guard.check_token_service(own, ip::make_address(address));
    }
    bool allows_token_service(const std::string& address, const std::string& url = "https://t/") {
        return allows(
            [&](const auto& target, const auto& at) { guard.check_token_service(target, at); },
            address, url);
    }
    bool allows_redirect(const std::string& address) {
        return allows([&](const auto& target, const auto& at) { guard.check_redirect(target, at); },
                      address, "https://storage/");
    }
    template <class Check>
    static bool allows(Check check, const std::string& address, const std::string& url) {
        try {
            check(parse_http_url(url), ip::make_address(address));
            return true;
        } catch (const Error& error) {
            CHECK(error.code() == Errc::unauthorized);
            CHECK_THAT(error.what(), test::ContainsSubstring(address));
            return false;
        }
    }

    HttpTarget own = parse_http_url("https://registry.example:5000/");
    AddressGuard guard{own};
};

}  // namespace

TEST_CASE("addresses are told apart by how far inside they lie", "[R8]") {
    for (const auto* address : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "203.0.113.5", "2606::1",
                                "64:ff9b::808:808", "::ffff:8.8.8.8"}) {
        CAPTURE(address);
        CHECK(reach(address) == Reach::everybody);
    }
    for (const auto* address :
         {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1",
          "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"}) {
        CAPTURE(address);
        CHECK(reach(address) == Reach::private_net);
    }
    for (const auto* address : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
        CAPTURE(address);
        CHECK(reach(address) == Reach::host);
    }
    for (const auto* address :
         {"169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "::"}) {
        CAPTURE(address);
        CHECK(reach(address) == Reach::link);
    }
}

TEST_CASE("a token service must not be nearer to home than its registry", "[R8]") {
    Registry outside("8.8.8.8");
    CHECK(outside.allows_token_service("9.9.9.9"));
    for (const auto* address : {"10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1"}) {
        CAPTURE(address);
        CHECK_FALSE(outside.allows_token_service(address));
    }
    Registry inside("10.0.0.1");
    CHECK(inside.allows_token_service("9.9.9.9"));
    CHECK(inside.allows_token_service("192.168.7.7"));
    CHECK_FALSE(inside.allows_token_service("127.0.0.1"));
    CHECK_FALSE(inside.allows_token_service("169.254.169.254"));
    Registry here("127.0.0.1");
    CHECK(here.allows_token_service("127.0.0.1"));
    CHECK_FALSE(here.allows_token_service("169.254.169.254"));
}

TEST_CASE("a registry's own host and port may be its token service, wherever it is", "[R8]") {
    Registry inside("10.0.0.1");
    CHECK(inside.allows_token_service("127.0.0.1", "https://registry.example:5000/token"));
    // A name that leads outside once counts as outside, whatever it leads to later.
    Registry moving("8.8.8.8");
    CHECK(moving.allows_token_service("10.0.0.1", "https://registry.example:5000/token"));
    CHECK_FALSE(moving.allows_token_service("10.0.0.1"));
}

TEST_CASE("a blob may be redirected into a private network, not to this host", "[R8]") {
    Registry outside("8.8.8.8");
    CHECK(outside.allows_redirect("10.0.0.1"));
    CHECK_FALSE(outside.allows_redirect("127.0.0.1"));
    CHECK_FALSE(outside.allows_redirect("169.254.169.254"));
    Registry here("127.0.0.1");
    CHECK(here.allows_redirect("127.0.0.1"));
    CHECK_FALSE(here.allows_redirect("169.254.169.254"));
}

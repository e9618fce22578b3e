#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <memory>

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_client.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace std::chrono_literals;
using namespace banger::test;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

template <class T, auto Free>
struct Freed {
    void operator()(T* object) const { Free(object); }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freed<T, Free>>;

/// Writes a self-signed certificate for `host`, valid for an hour, and its key to cert.pem and
/// key.pem.
void make_certificate(const TempDir& dir, const std::string& host) {
    Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    Owned<X509, X509_free> cert(X509_new());
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key.get());
    auto* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("banger test"), -1, -1, 0);
    X509_set_issuer_name(cert.get(), name);
    const auto names = "DNS:" + host;
    Owned<X509_EXTENSION, X509_EXTENSION_free> san(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
    X509_add_ext(cert.get(), san.get(), -1);
    REQUIRE(X509_sign(cert.get(), key.get(), nullptr) > 0);

    Owned<BIO, BIO_free_all> cert_file(BIO_new_file((dir / "cert.pem").c_str(), "w"));
    Owned<BIO, BIO_free_all> key_file(BIO_new_file((dir / "key.pem").c_str(), "w"));
    REQUIRE(PEM_write_bio_X509(cert_file.get(), cert.get()) == 1);
    REQUIRE(PEM_write_bio_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                     nullptr) == 1);
}

/// Answers one request, after which the connection is cut without TLS's farewell.
Task<void> serve_one(tcp::acceptor& acceptor, asio::ssl::context& context, std::string answer) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::ssl::stream<tcp::socket> stream(std::move(socket), context);
    auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, as_tuple);
    if (error) co_return;
    std::string head;
    co_await asio::async_read_until(stream, asio::dynamic_buffer(head), "\r\n\r\n", as_tuple);
    co_await asio::async_write(stream, asio::buffer(answer), as_tuple);
}

/// What a client of https://localhost gets from a server whose certificate is for `host`.
Task<std::string> fetch(const TempDir& dir, std::string host, std::string ca_file,
                        std::string answer) {
    make_certificate(dir, host);
    asio::ssl::context context(asio::ssl::context::tls_server);
    context.use_certificate_file(dir / "cert.pem", asio::ssl::context::pem);
    context.use_private_key_file(dir / "key.pem", asio::ssl::context::pem);
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), 0});
    const auto port = acceptor.local_endpoint().port();
    auto get = [](std::string ca, unsigned short to) -> Task<std::string> {
        HttpClient client(co_await asio::this_coro::executor, {.ca_file = std::move(ca)});
        auto response =
            co_await client.send({.url = "https://localhost:" + std::to_string(to) + "/"});
        co_return co_await response->read_all(1000);
    };
    auto [served, text] =
        co_await when_all(serve_one(acceptor, context, answer), get(std::move(ca_file), port));
    co_return text;
}

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

}  // namespace

TEST_CASE("https works with a certificate from the given file") {
    TempDir dir;

    CHECK(run_task(fetch(dir, "localhost", dir / "cert.pem", kOk)) == "hello");
}

TEST_CASE("a certificate that nobody vouches for is refused") {
    TempDir dir;

    CHECK_THROWS_WITH(run_task(fetch(dir, "localhost", "", kOk)),
                      Catch::Matchers::StartsWith("cannot connect to localhost:") &&
                          ContainsSubstring("its certificate is not trusted: self-signed"));
}

TEST_CASE("a trusted certificate for another host is refused") {
    TempDir dir;

    CHECK_THROWS_WITH(run_task(fetch(dir, "example.org", dir / "cert.pem", kOk)),
                      ContainsSubstring("its certificate is not trusted"));
}

TEST_CASE("a body without a length that TLS did not end is refused as cut") {
    TempDir dir;

    CHECK_THROWS_WITH(
        run_task(fetch(dir, "localhost", dir / "cert.pem", "HTTP/1.1 200 OK\r\n\r\nhalf of")),
        ContainsSubstring("closed the connection in the middle of its answer"));
}

TEST_CASE("a missing certificate file is named") {
    TempDir dir;

    CHECK_THROWS_WITH(
        run_task(fetch(dir, "localhost", dir / "none.pem", kOk)),
        ContainsSubstring("cannot read certificates from") && ContainsSubstring("none.pem"));
}

#include "cli/port_spec.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using api::PublishedPort;
using cli::parse_port_spec;
using cli::parse_published;

TEST_CASE("a port to publish has an address, a port of the host, and one of the guest") {
    CHECK(parse_port_spec("8080:80") == PublishedPort{"", 8080, 80});
    CHECK(parse_port_spec("80") == PublishedPort{"", 80, 80});
    CHECK(parse_port_spec("127.0.0.1:8080:80") == PublishedPort{"127.0.0.1", 8080, 80});
    CHECK(parse_port_spec("localhost:8080:80/tcp") == PublishedPort{"localhost", 8080, 80});
    CHECK(parse_port_spec("[::1]:8080:80") == PublishedPort{"::1", 8080, 80});
}

TEST_CASE("what is published is named by the host's port, with or without the guest's") {
    CHECK(parse_published("8080") == PublishedPort{"", 8080, 8080});
    CHECK(parse_published("8080:80") == PublishedPort{"", 8080, 80});
    CHECK(parse_published("127.0.0.1:8080") == PublishedPort{"127.0.0.1", 8080, 8080});
    CHECK(parse_published("127.0.0.1:8080:80") == PublishedPort{"127.0.0.1", 8080, 80});
    CHECK(parse_published("[::1]:8080") == PublishedPort{"::1", 8080, 8080});
    CHECK(parse_published("[::1]:8080:80") == PublishedPort{"::1", 8080, 80});
}

TEST_CASE("what is no port is refused") {
    for (const char* text : {"",
                             ":",
                             "0",
                             "65536",
                             "-1",
                             "80x",
                             "a:80",
                             "80:",
                             ":80",
                             "8080:80:",
                             "::1:8080:80",
                             "[::1:8080:80",
                             "[]:8080:80",
                             "1.2.3.4:80:",
                             "x:y:80",
                             "8080:80/udp",
                             "8080:80/sctp",
                             "99999999999999999999:80",
                             "+80",
                             " 80"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_port_spec(text), Error);
    }
    for (const char* text : {"", ":", "0", "x", "1.2.3.4:", "::1:8080", "[]:80"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_published(text), Error);
    }
}

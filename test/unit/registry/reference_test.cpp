#include "pipelines/image/registry/reference.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;

namespace {

const std::string kHex(64, 'a');

std::string parsed(const std::string& text) {
    return parse_reference(text).to_string();
}

}  // namespace

TEST_CASE("a reference gets Docker's defaults", "[R21]") {
    CHECK(parsed("ubuntu") == "docker.io/library/ubuntu:latest");
    CHECK(parsed("ubuntu:22.04") == "docker.io/library/ubuntu:22.04");
    CHECK(parsed("library/ubuntu") == "docker.io/library/ubuntu:latest");
    CHECK(parsed("docker.io/ubuntu") == "docker.io/library/ubuntu:latest");
    CHECK(parsed("index.docker.io/ubuntu") == "docker.io/library/ubuntu:latest");
    CHECK(parsed("me/app:1") == "docker.io/me/app:1");
    CHECK(parse_reference("ubuntu").api_host() == "registry-1.docker.io");
}

TEST_CASE("the first component is a domain only when it looks like one", "[R21]") {
    CHECK(parsed("localhost/x") == "localhost/x:latest");
    CHECK(parsed("localhost:5000/x:t") == "localhost:5000/x:t");
    CHECK(parsed("[::1]:5000/x") == "[::1]:5000/x:latest");
    CHECK(parsed("[fd00::1]/x") == "[fd00::1]/x:latest");
    CHECK(parsed("127.0.0.1:5000/x") == "127.0.0.1:5000/x:latest");
    CHECK(parsed("foo:5000") == "docker.io/library/foo:5000");
    CHECK(parsed("foo:5000/bar") == "foo:5000/bar:latest");
    CHECK(parsed("UPPER/x") == "UPPER/x:latest");
    CHECK(parsed("ghcr.io/a/b/c:v1.2") == "ghcr.io/a/b/c:v1.2");
    CHECK(parse_reference("localhost:5000/x").api_host() == "localhost:5000");
}

TEST_CASE("separators in a path are '.', '_', '__' and any number of '-'", "[R21]") {
    for (const auto* text : {"a__b", "a.b", "a---b", "a_b", "a-b.c_d", "x/y__z"}) {
        CAPTURE(text);
        CHECK_NOTHROW(parse_reference(text));
    }
    for (const auto* text : {"a..b", "a._b", "a___b", "-a", "a-", "a//b", "a/../b", "a/", "/a",
                             "a/B", "Ubuntu", "a b", "a%2fb",
                             "b\xc3\xbc"
                             "cher",
                             ".a"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_reference(text), Error);
    }
}

TEST_CASE("a host name that could not be one is refused", "[R21]") {
    for (const auto* text : {"-x.io/a", "x-.io/a", "a..b/c",
                             "b\xc3\xbc"
                             "cher.de/a",
                             "host:/a", "host:port/a", "[::1/a", "[zz]/a", "a_b.io/c"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_reference(text), Error);
    }
}

TEST_CASE("a digest wins over the tag, and is checked", "[R19][R21]") {
    const auto reference = parse_reference("x:tag@sha256:" + kHex);
    CHECK(reference.tag == "tag");
    CHECK(reference.manifest_name() == "sha256:" + kHex);
    CHECK(reference.to_string() == "docker.io/library/x:tag@sha256:" + kHex);
    CHECK(parse_reference("x@sha256:" + kHex).tag.empty());
    CHECK_THROWS_AS(parse_reference("x@sha256:short"), Error);
    CHECK_THROWS_AS(parse_reference("x@sha256:" + std::string(64, 'A')), Error);
    CHECK_THROWS_AS(parse_reference("x@md5:" + std::string(32, 'a')), Error);
    CHECK_THROWS_AS(parse_reference("x@sha256:../../../../etc/passwd"), Error);
    CHECK_THROWS_AS(parse_reference("x@"), Error);
}

TEST_CASE("names and tags have their limits", "[R21]") {
    CHECK_NOTHROW(parse_reference("x:" + std::string(128, 't')));
    CHECK_THROWS_AS(parse_reference("x:" + std::string(129, 't')), Error);
    CHECK_THROWS_AS(parse_reference("x:-t"), Error);
    CHECK_THROWS_AS(parse_reference("x:"), Error);
    CHECK_THROWS_AS(parse_reference(""), Error);
    CHECK_THROWS_AS(parse_reference("a/" + std::string(255, 'b')), Error);
    CHECK_THROWS_AS(parse_reference(kHex), Error);
}

TEST_CASE("the message names the reference and what is wrong with it") {
    CHECK_THROWS_WITH(parse_reference("Ubuntu"),
                      "malformed image reference 'Ubuntu': the repository name must be lower case");
}

TEST_CASE("oci: names a layout, its tag is what follows the last colon") {
    const auto layout = std::get<LayoutReference>(parse_source("oci:/srv/images/web:v1"));
    CHECK(layout.path == "/srv/images/web");
    CHECK(layout.tag == "v1");
    CHECK(to_string(parse_source("oci:dir")) == "oci:dir");
    CHECK(std::get<LayoutReference>(parse_source("oci:/a:b/c")).path == "/a:b/c");
    CHECK_THROWS_AS(parse_source("oci:"), Error);
    CHECK_THROWS_AS(parse_source("oci::tag"), Error);
    CHECK(std::holds_alternative<Reference>(parse_source("oci/x")));
}

TEST_CASE("an archive is named by its path and, where it has several images, by one of them") {
    using Kind = ArchiveReference::Kind;
    const auto oci = std::get<ArchiveReference>(parse_source("oci-archive:/srv/a:b/web.tar:v1"));
    CHECK(oci.kind == Kind::oci);
    CHECK(oci.path == "/srv/a:b/web.tar");
    CHECK(oci.name == "v1");
    CHECK(oci.to_string() == "oci-archive:/srv/a:b/web.tar:v1");
    const auto docker =
        std::get<ArchiveReference>(parse_source("docker-archive:x.tar:quay.io/a/b"));
    CHECK(docker.kind == Kind::docker);
    CHECK(docker.path == "x.tar");
    CHECK(docker.name == "quay.io/a/b:latest");
    CHECK(to_string(parse_source("docker-archive:x.tar:app")) ==
          "docker-archive:x.tar:docker.io/library/app:latest");
    CHECK(std::get<ArchiveReference>(parse_source("-")).kind == Kind::any);
    CHECK(to_string(parse_source("-")) == "-");
    CHECK(std::get<ArchiveReference>(parse_source("docker-archive:-")).is_standard_input());
    CHECK(std::get<ArchiveReference>(parse_source("docker-archive:-:app:v1")).is_standard_input());
    CHECK_FALSE(std::get<ArchiveReference>(parse_source("oci-archive:/-")).is_standard_input());
    for (const auto* text : {"oci-archive:", "docker-archive:", "docker-archive::app",
                             "docker-archive:x.tar:App", "docker-archive:x.tar:", "--"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_source(text), Error);
    }
}

TEST_CASE("an image has a friendly name") {
    const auto name = [](const std::string& text) { return friendly_name(parse_source(text)); };
    CHECK(name("docker.io/library/debian:bookworm") == "debian-bookworm");
    CHECK(name("ghcr.io/a/b/app_x:V1.2") == "app_x-v1.2");
    CHECK(name("app@sha256:" + kHex) == "app-aaaaaaaaaaaa");
    CHECK(name("oci:/srv/images/debian/:x") == "debian-x");
    CHECK(name("oci:/srv/My Images") == "my-images");
    CHECK(name("oci-archive:/srv/web.tar.gz:v1") == "web-v1");
    CHECK(name("docker-archive:/srv/web.tgz") == "web");
    CHECK(name("docker-archive:/srv/web.tar:quay.io/a/b:v2") == "b-v2");
    CHECK(name("x:" + std::string(128, 't')).size() == 63);
}

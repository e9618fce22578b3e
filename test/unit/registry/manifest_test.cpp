#include "pipelines/image/registry/manifest.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::image;

namespace {

constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr const char* kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

std::string digest(char c) {
    return "sha256:" + std::string(64, c);
}

std::string descriptor(const std::string& type, char c, const std::string& more = "",
                       const std::string& size = "10") {
    return R"({"mediaType":")" + type + R"(","digest":")" + digest(c) + R"(","size":)" + size +
           (more.empty() ? "" : "," + more) + "}";
}

std::string manifest(const std::string& layers, const std::string& more = "") {
    return R"({"schemaVersion":2,"config":)" + descriptor(kOciConfig, 'c') + R"(,"layers":[)" +
           layers + "]" + (more.empty() ? "" : "," + more) + "}";
}

std::string platform(const std::string& os, const std::string& architecture,
                     const std::string& variant = "") {
    return R"("platform":{"os":")" + os + R"(","architecture":")" + architecture + "\"" +
           (variant.empty() ? "" : R"(,"variant":")" + variant + "\"") + "}";
}

std::string entry(char c, const std::string& more) {
    return descriptor(kOciManifest, c, more);
}

Index index_of(const std::string& entries) {
    const auto text = R"({"schemaVersion":2,"manifests":[)" + entries + "]}";
    return std::get<Index>(parse_manifest(text, kOciIndex));
}

std::string chosen(const std::string& entries, int level = 4) {
    std::string out;
    for (const auto& candidate : amd64_candidates(index_of(entries), level))
        out += candidate.digest.hex[0];
    return out;
}

Errc error_of(const std::string& body, const std::string& type = "") {
    try {
        parse_manifest(body, type);
    } catch (const Error& error) {
        return error.code();
    }
    return Errc::internal;
}

}  // namespace

TEST_CASE("an OCI manifest gives config and layers in order") {
    const auto body = manifest(descriptor(kLayer, 'a') + "," + descriptor(kLayer, 'b'));
    const auto parsed = std::get<Manifest>(parse_manifest(body, kOciManifest));
    CHECK(parsed.config.digest.to_string() == digest('c'));
    REQUIRE(parsed.layers.size() == 2);
    CHECK(parsed.layers[1].digest.hex[0] == 'b');
    CHECK(parsed.layers[1].size == 10);
}

TEST_CASE("a Docker manifest is read as well") {
    const auto body =
        R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
        R"("config":)" +
        descriptor("application/vnd.docker.container.image.v1+json", 'c') + R"(,"layers":[)" +
        descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", 'a') + "]}";
    CHECK(std::get<Manifest>(parse_manifest(body, "")).layers.size() == 1);
}

TEST_CASE("a generic or parametrised content type does not mislead", "[R16]") {
    const auto body = manifest(descriptor(kLayer, 'a'));
    for (const auto* type :
         {"", "application/json", "text/plain; charset=utf-8", "application/octet-stream",
          "application/vnd.oci.image.manifest.v1+json; charset=utf-8"}) {
        CAPTURE(type);
        CHECK(std::holds_alternative<Manifest>(parse_manifest(body, type)));
    }
}

TEST_CASE("a document that can be read in two ways is refused", "[R16]") {
    CHECK(error_of(manifest("", R"("manifests":[])")) == Errc::invalid_argument);
    CHECK(error_of(manifest("", R"("mediaType":")" + std::string(kOciManifest) + "\""),
                   kOciIndex) == Errc::invalid_argument);
    CHECK(error_of(R"({"schemaVersion":2,"manifests":[]})", kOciManifest) == Errc::unsupported);
    CHECK(error_of(manifest(""), kOciIndex) == Errc::unsupported);
}

TEST_CASE("what is no container image is refused by its type", "[R20]") {
    const auto helm = R"({"schemaVersion":2,"config":)" +
                      descriptor("application/vnd.cncf.helm.config.v1+json", 'c') +
                      R"(,"layers":[]})";
    CHECK(error_of(helm) == Errc::unsupported);
    CHECK_THROWS_WITH(parse_manifest(helm, ""),
                      "not a container image but an artifact of type "
                      "application/vnd.cncf.helm.config.v1+json");
    CHECK(error_of(manifest("", R"("artifactType":"application/x")")) == Errc::unsupported);
    CHECK(error_of(manifest(descriptor("application/wasm", 'a'))) == Errc::unsupported);
}

TEST_CASE("schema 1 is named as what it is") {
    CHECK(error_of(R"({"schemaVersion":1,"fsLayers":[]})") == Errc::unsupported);
    CHECK(error_of(R"({"schemaVersion":1})") == Errc::unsupported);
}

TEST_CASE("broken manifests are refused", "[R15][R19]") {
    const auto with_size = [](const char* size) {
        return manifest(descriptor(kLayer, 'a', "", size));
    };
    for (const auto& body :
         {std::string("{"), std::string("[]"), std::string("null"), std::string(""),
          std::string(R"({"schemaVersion":2})"), with_size("-1"), with_size("1.5"),
          with_size("\"1\""), with_size("1e400"),
          manifest(R"({"mediaType":"x","digest":"md5:aa","size":1})"),
          manifest(R"({"mediaType":"x","digest":"sha256:../../etc/passwd","size":1})"),
          manifest(R"({"mediaType":")" + std::string(kLayer) + R"(","digest":")" + digest('a') +
                   R"("})")}) {
        CAPTURE(body);
        CHECK(error_of(body) == Errc::invalid_argument);
    }
    CHECK(error_of(with_size("99999999999999")) == Errc::unsupported);
    CHECK(error_of(std::string(kMaxDocumentBytes + 1, ' ')) == Errc::invalid_argument);
    CHECK(error_of(std::string(1000, '[')) == Errc::invalid_argument);
}

TEST_CASE("32 GiB of compressed layers are allowed, one byte more names the limit") {
    const auto layers = [](std::uint64_t last) {
        std::string all;
        for (const std::uint64_t size : {std::uint64_t{16} << 30, last})
            all += (all.empty() ? "" : ",") + std::string(R"({"mediaType":")") +
                   std::string(kLayer) + R"(","digest":")" + digest('a') + R"(","size":)" +
                   std::to_string(size) + "}";
        return manifest(all);
    };
    CHECK_NOTHROW(parse_manifest(layers(16ull << 30), ""));
    CHECK_THROWS_WITH(parse_manifest(layers((16ull << 30) + 1), ""),
                      "the image is larger than the limit of 32 GiB compressed");
}

TEST_CASE("512 layers are allowed, one more names the limit") {
    std::string layers = descriptor(kLayer, 'a');
    for (int i = 1; i < 512; ++i)
        layers += "," + descriptor(kLayer, 'a');
    CHECK_NOTHROW(parse_manifest(manifest(layers), ""));
    CHECK_THROWS_WITH(parse_manifest(manifest(layers + "," + descriptor(kLayer, 'a')), ""),
                      "the image has 513 layers, more than the limit of 512");
}

TEST_CASE("linux/amd64 is found among attestations and other platforms", "[R17]") {
    const auto attestation = entry('1', platform("unknown", "unknown"));
    CHECK(chosen(attestation + "," + entry('2', platform("linux", "arm64")) + "," +
                 entry('3', platform("linux", "amd64"))) == "3");
    CHECK(chosen(entry('2', platform("windows", "amd64")) + "," + attestation).empty());
}

TEST_CASE("plain amd64 comes before the levels that this machine has, highest first", "[R17]") {
    const auto all = entry('3', platform("linux", "amd64", "v3")) + "," +
                     entry('2', platform("linux", "amd64", "v2")) + "," +
                     entry('1', platform("linux", "amd64")) + "," +
                     entry('4', platform("linux", "amd64", "v9"));
    CHECK(chosen(all, 4) == "132");
    CHECK(chosen(all, 2) == "12");
    CHECK(chosen(entry('3', platform("linux", "amd64", "v3")), 2).empty());
}

TEST_CASE("nested indexes and entries without a platform come last", "[R17]") {
    const auto nested = descriptor(kOciIndex, 'e');
    CHECK(chosen(entry('f', "") + "," + nested + "," + entry('1', platform("linux", "amd64"))) ==
          "1ef");
    CHECK(chosen(descriptor("application/wasm", 'a', platform("linux", "amd64"))).empty());
}

TEST_CASE("the platforms of an index are listed once each") {
    CHECK(list_platforms(index_of(entry('1', platform("linux", "arm", "v7")) + "," +
                                  entry('2', platform("linux", "s390x")) + "," +
                                  entry('3', platform("linux", "s390x")) + "," +
                                  entry('4', platform("unknown", "unknown")))) ==
          "linux/arm/v7, linux/s390x");
    CHECK(list_platforms(Index{}).empty());
}

TEST_CASE("an index of a thousand entries is read", "[R17]") {
    std::string entries = entry('1', platform("linux", "amd64"));
    for (int i = 0; i < 999; ++i)
        entries += "," + entry('2', platform("linux", "arm64"));
    CHECK(chosen(entries) == "1");
}

TEST_CASE("a configuration gives what a VM needs") {
    const auto image = std::get<Manifest>(parse_manifest(manifest(descriptor(kLayer, 'a')), ""));
    const auto body =
        R"({"architecture":"amd64","os":"linux","created":"2024-05-06T07:08:09Z",)"
        R"("config":{"Env":["A=1"],"Entrypoint":null,"Cmd":["sh","-c","x"],"WorkingDir":"/srv",)"
        R"("User":"1:2","Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":[")" +
        digest('d') + R"("]},"history":[{"empty_layer":true}]})";
    const auto config = parse_config(body, image);
    CHECK(config.config.env == std::vector<std::string>{"A=1"});
    CHECK(config.config.entrypoint.empty());
    CHECK(config.config.cmd.size() == 3);
    CHECK(config.config.working_dir == "/srv");
    CHECK(config.config.user == "1:2");
    CHECK(config.config.architecture == "amd64");
    CHECK(config.created == "2024-05-06T07:08:09Z");
    CHECK(is_linux_amd64(config.platform));
    CHECK(config.diff_ids.at(0).to_string() == digest('d'));
}

TEST_CASE("a configuration with another number of layers is refused") {
    const auto image = std::get<Manifest>(parse_manifest(manifest(descriptor(kLayer, 'a')), ""));
    CHECK_THROWS_AS(parse_config(R"({"rootfs":{"diff_ids":[]}})", image), Error);
    CHECK_THROWS_AS(parse_config("{}", image), Error);
    CHECK_THROWS_AS(parse_config(R"({"rootfs":{"diff_ids":["sha256:xx"]}})", image), Error);
}

TEST_CASE("a digest is refused before it could be taken for a path", "[R19]") {
    const auto with_digest = [](const std::string& digest) {
        return manifest(R"({"mediaType":")" + std::string(kLayer) + R"(","digest":")" + digest +
                        R"(","size":1})");
    };
    for (const auto& bad :
         {"md5:" + std::string(32, 'a'), "sha256:" + std::string(63, 'a'),
          "sha256:" + std::string(65, 'a'), "sha256:" + std::string(64, 'A'),
          std::string("sha256:../../../../etc/passwd"), "sha512:" + std::string(64, 'a'),
          std::string("sha256"), std::string(), "sha256:" + std::string(60, 'a') + "/../"}) {
        CAPTURE(bad);
        CHECK(error_of(with_digest(bad)) == Errc::invalid_argument);
    }
    CHECK_NOTHROW(parse_manifest(with_digest("sha512:" + std::string(128, 'a')), ""));
}

TEST_CASE("of equal entries of an index the first comes first", "[R17]") {
    CHECK(chosen(entry('1', platform("linux", "amd64")) + "," +
                 entry('2', platform("linux", "amd64"))) == "12");
}

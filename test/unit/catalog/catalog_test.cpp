#include "catalog/catalog.hpp"

#include <set>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::catalog;
using namespace banger::test;

namespace {

const std::string kHash(64, 'a');

boost::json::object entry(const std::string& name) {
    return {{"name", name},     {"arch", "x86_64"},
            {"kind", "bundle"}, {"url", "https://x.example/a"},
            {"sha256", kHash},  {"size", 10}};
}

boost::json::object document(boost::json::array entries) {
    return {{"version", 3},
            {"type", "images"},
            {"expires", "2030-01-01T00:00:00Z"},
            {"entries", std::move(entries)}};
}

Catalog parse(const boost::json::object& object) {
    return parse_catalog(boost::json::serialize(object), "catalog 'ours'");
}

/// The error of a catalog whose one entry has this member.
std::string error_of_entry(const std::string& member, boost::json::value value) {
    auto changed = entry("a");
    changed[member] = std::move(value);
    try {
        parse(document({changed}));
    } catch (const Error& error) {
        CHECK(error.code() == Errc::invalid_argument);
        return error.what();
    }
    return "";
}

std::string error_of_document(const std::string& member, boost::json::value value) {
    auto changed = document({entry("a")});
    changed[member] = std::move(value);
    try {
        parse(changed);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a catalog is read, and what is not known in it is passed over") {
    auto first = entry("debian-bookworm");
    first["kernel_ref"] = "generic-6.12";
    first["colour"] = "green";
    auto text = document({first, entry("b")});
    text["publisher"] = boost::json::object{{"name", "somebody"}};
    const auto catalog = parse(text);
    CHECK(catalog.version == 3);
    CHECK(catalog.entries.size() == 2);
    CHECK(catalog.entries[0].kernel_ref == "generic-6.12");
    CHECK(catalog.entries[0].size == 10);
}

TEST_CASE("one name may stand for several architectures, but for one thing each") {
    auto arm = entry("a");
    arm["arch"] = "aarch64";
    CHECK(parse(document({entry("a"), arm})).entries.size() == 2);
    CHECK_THROWS_WITH(parse(document({entry("a"), entry("a")})),
                      ContainsSubstring("two entries are named 'a'"));
}

TEST_CASE("what is no catalog is refused by name") {
    for (const std::string text : {"", "not json", "[]", "{", "{}", "\"x\"", "<html></html>"}) {
        INFO(text);
        CHECK_THROWS_WITH(parse_catalog(text, "catalog 'ours'"),
                          ContainsSubstring("catalog 'ours'"));
    }
}

TEST_CASE("a catalog says its version, its type and when it expires") {
    CHECK(error_of_document("version", 0) != "");
    CHECK(error_of_document("version", -1) != "");
    CHECK(error_of_document("version", "3") != "");
    CHECK(error_of_document("type", "apps") != "");
    CHECK(error_of_document("expires", "tomorrow") != "");
    CHECK(error_of_document("entries", "none") != "");
    CHECK(error_of_document("entries", boost::json::array{}) == "");
}

TEST_CASE("an entry's name becomes a file's, so it is an ordinary one") {
    for (const char* name : {"", "../x", "a/b", ".a", "a b", "a:b"}) {
        INFO(name);
        CHECK(error_of_entry("name", name) != "");
    }
    CHECK(error_of_entry("kernel_ref", "../k") != "");
    CHECK(error_of_entry("kernel_ref", "generic-6.12") == "");
}

TEST_CASE("a file is named with its hash and its size") {
    CHECK(error_of_entry("sha256", "") != "");
    CHECK(error_of_entry("sha256", "abc") != "");
    CHECK(error_of_entry("sha256", std::string(64, 'A').c_str()) != "");
    CHECK(error_of_entry("size", 0) != "");
    CHECK(error_of_entry("size", -5) != "");
    CHECK(error_of_entry("kind", "") != "");
}

TEST_CASE("a kind of tomorrow's spoils no catalog of today") {
    auto later = entry("later");
    later["kind"] = "squashfs";
    later["url"] = "ipfs://x";
    CHECK(parse(document({later, entry("a")})).entries.size() == 2);
}

TEST_CASE("files are fetched by https, from this machine, or over loopback only") {
    for (const char* url : {"https://images.example.org/a.tar.zst", "file:///srv/a.tar.zst",
                            "http://127.0.0.1:8080/a", "http://localhost/a", "http://[::1]:1/a"}) {
        INFO(url);
        CHECK_NOTHROW(check_url(url));
        CHECK(error_of_entry("url", url) == "");
    }
    for (const char* url : {"http://images.example.org/a", "ftp://x/a", "file://relative",
                            "file://host/a", "/srv/a", "", "javascript:1", "HTTPS:/x",
                            "http://127.0.0.1.example.org/", "https://user:pw@x.example/"}) {
        INFO(url);
        CHECK_THROWS_AS(check_url(url), Error);
        CHECK(error_of_entry("url", url) != "");
    }
}

TEST_CASE("a catalog expires to the second") {
    const auto catalog = parse(document({}));
    const auto end = std::chrono::system_clock::from_time_t(*parse_rfc3339(catalog.expires));
    CHECK_FALSE(catalog.is_expired(end - std::chrono::seconds(1)));
    CHECK(catalog.is_expired(end));
}

TEST_CASE("the catalogs of the program are sound, and every kernel that an image names is there") {
    std::set<std::string> kernels;
    for (const auto& kernel : embedded_catalog(kKernels).entries)
        kernels.insert(kernel.name);
    CHECK(embedded_catalog(kKernels).type == kKernels);
    CHECK(embedded_catalog(kImages).type == kImages);
    CHECK_FALSE(embedded_catalog(kImages).entries.empty());
    for (const auto& image : embedded_catalog(kImages).entries) {
        INFO(image.name);
        CHECK(kernels.contains(image.kernel_ref));
    }
}

TEST_CASE("the schema names every member that is read") {
    const auto schema =
        parse_json(read_file(BANGER_SOURCE_DIR "/catalog/schema.json"), "schema.json");
    const auto& properties = schema.at_pointer("/$defs/entry/properties").as_object();
    const auto read = to_json(Entry{}).as_object();
    for (const auto& member : read)
        CHECK(properties.contains(member.key()));
    CHECK(properties.size() == read.size());
}

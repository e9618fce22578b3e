// Registries that are slow, that lie, or that send too much.

#include <fstream>

#include "pipelines/image/registry/manifest.hpp"
#include "test/support/catch.hpp"
#include "test/support/counts_memory.hpp"
#include "test/support/served_image.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

/// One try of a second; what would take for ever is ended by it, whatever the machine is doing.
PullSetup impatient() {
    return {.registries = {.retry = {.attempts = 1},
                           .patience = {.connect = 5s,
                                        .header = 1s,
                                        .stall = 1s,
                                        .slow_window = 1s,
                                        .slow_bytes = 1'000'000}}};
}

/// Peak memory of this process in bytes, counted afresh from reset_peak on.
std::uint64_t peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        std::uint64_t kilobytes = 0;
        if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
    }
    return 0;
}

bool reset_peak() {
    std::ofstream out("/proc/self/clear_refs");
    out << 5 << std::flush;
    return static_cast<bool>(out);
}

}  // namespace

TEST_CASE("after three cuts of a large layer hardly a byte has come twice", "[R12]") {
    constexpr std::size_t kSize = 200'000'000;
    const ServedImage image({TarBuilder().file("big", noise(kSize, 3)).finish()});
    std::atomic<int> cuts{0};
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (image.is_layer(request) && cuts++ < 3) reply.cut_after = kSize / 4 + 12'345;
        return reply;
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    CHECK(cuts == 4);
    CHECK(server.bytes_sent() <= kSize + (3u << 20));
    CHECK(fixture.read().at("/big").size == kSize);
}

TEST_CASE("a registry that stalls or trickles is given up", "[R13]") {
    const auto image = one_layer();
    const auto trouble = GENERATE("header", "stall", "drip");
    CAPTURE(trouble);
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (!image.is_layer(request)) return reply;
        reply.stall_in_header = trouble == std::string("header");
        reply.stall = trouble == std::string("stall");
        if (reply.stall) reply.cut_after = 1'500'000;
        reply.drip = trouble == std::string("drip");
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1", impatient());
    CHECK(error.code() == Errc::timed_out);
    CHECK_THAT(error.what(), ContainsSubstring(server.host()));
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a registry that only ever announces an answer is given up", "[R13]") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        reply.only_interim = image.is_layer(request);
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1", impatient());
    CHECK(error.code() == Errc::unavailable);
    CHECK_THAT(error.what(), ContainsSubstring(server.host() + " sent more than 10 interim"));
    CHECK(layer_requests(server, image) == 1);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a blob in an encoding of its own is refused", "[R14]") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (image.is_layer(request)) reply.headers.push_back({"Content-Encoding", "gzip"});
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1");
    CHECK(error.code() == Errc::unsupported);
    CHECK_THAT(error.what(), ContainsSubstring("in the encoding gzip"));
}

TEST_CASE("a document over the limit, or not to be read, costs next to no memory", "[R15]") {
    const std::string ok = R"({"schemaVersion":2,"x":)";
    std::string zeros = "[0";
    while (zeros.size() < image::kMaxDocumentBytes - 100)
        zeros += ",0";
    const std::vector<std::string> bodies{
        std::string(image::kMaxDocumentBytes + 1, ' '), ok + std::string(1000, '['), ok + "1e400}",
        ok + zeros + "]}", R"({"schemaVersion":2,"schemaVersion":1})"};
    for (const auto& body : bodies) {
        CAPTURE(body.substr(0, 40));
        ScriptServer server([&](const ServerRequest&) -> ServerReply { return {.view = body}; });
        PullFixture fixture;
        fixture.failure(server.host() + "/app:v1");  // buffers and threads, made once, do not count
        if (!reset_peak()) {
            WARN("skipped: this kernel does not count the peak of memory afresh");
            return;
        }
        const auto before = peak_memory();
        const auto error = fixture.failure(server.host() + "/app:v1");
        CHECK((error.code() == Errc::invalid_argument || error.code() == Errc::unsupported));
        if (kCountsMemory) CHECK(peak_memory() < before + (16u << 20));
        CHECK(fixture.leftovers().empty());
    }
}

TEST_CASE("a configuration over the limit is refused unread", "[R15]") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (request.target.find("/manifests/") == std::string::npos) return reply;
        reply.body = reply.view;
        reply.view = {};
        const auto at = reply.body.find("\"size\":", reply.body.find(image.config_digest)) + 7;
        reply.body.replace(at, reply.body.find('}', at) - at,
                           std::to_string(image::kMaxDocumentBytes + 1));
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1");
    CHECK_THAT(error.what(), ContainsSubstring("the image configuration is larger than"));
    CHECK(server.requests().size() == 1);
}

TEST_CASE("what is asked for by digest is what comes, or nothing", "[R18]") {
    const auto image = one_layer();
    const auto other = one_layer(8);
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = other.serve(request);
        for (auto& [name, value] : reply.headers) {
            if (name == "Docker-Content-Digest") value = image.digest();
        }
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app@" + image.digest());
    CHECK(error.code() == Errc::digest_mismatch);
    // A lie about the digest of a tag harms nobody: it is not believed.
    const auto pulled = fixture.pull(server.host() + "/app:v1");
    CHECK(pulled.digest.to_string() == other.digest());
}

TEST_CASE("an index that lists itself ends in an error", "[R17]") {
    const auto claimed = sha256("whatever").to_string();
    const auto index = R"({"schemaVersion":2,"manifests":[{"mediaType":)"
                       R"("application/vnd.oci.image.index.v1+json","digest":")" +
                       claimed + R"(","size":)";
    // The size makes itself true; the digest cannot.
    const auto body = index + std::to_string(index.size() + 6) + "}]}";
    ScriptServer server([&](const ServerRequest&) -> ServerReply {
        return {.headers = {{"Content-Type", "application/vnd.oci.image.index.v1+json"}},
                .view = body};
    });
    PullFixture fixture;
    CHECK(fixture.failure(server.host() + "/app:v1").code() == Errc::digest_mismatch);
    CHECK(server.requests().size() == 2);
}

#include <filesystem>
#include <fstream>

#include "test/support/catch.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/pull_fixture.hpp"
#include "test/support/script_server.hpp"
#include "test/support/served_image.hpp"
#include "test/support/small_disk.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

TEST_CASE("a download that is cut goes on where it was, three times over", "[R12]") {
    const auto image = one_layer();
    std::atomic<int> cuts{0};
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (image.is_layer(request) && cuts++ < 3) reply.cut_after = cuts == 1 ? 1 : 900'000;
        return reply;
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    check_big(fixture);
    std::vector<std::uint64_t> starts;
    for (const auto& request : server.requests()) {
        if (image.is_layer(request)) starts.push_back(range_start(request));
    }
    CHECK(starts == std::vector<std::uint64_t>{0, 1, 900'001, 1'800'001});
}

TEST_CASE("a server without ranges sends all again, and the start is skipped", "[R12]") {
    const auto image = one_layer();
    std::atomic<int> cuts{0};
    ScriptServer server([&](ServerRequest request) {
        request.headers.erase("range");
        auto reply = image.serve(request);
        if (image.is_layer(request) && cuts++ < 2) reply.cut_after = 1'000'000;
        return reply;
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    check_big(fixture);
}

TEST_CASE("a wrong range, or none to be had, is no reason to give up", "[R12]") {
    const auto image = one_layer();
    const std::vector<std::string> answers{"bytes 5-10/20", "bytes 0-3001343/3001344", "416"};
    for (const auto& answer : answers) {
        CAPTURE(answer);
        std::atomic<int> cuts{0};
        ScriptServer server([&](const ServerRequest& request) -> ServerReply {
            if (image.is_layer(request) && range_start(request) > 0) {
                if (answer == "416") return {.status = 416};
                return {.status = 206, .headers = {{"Content-Range", answer}}, .body = "wrong"};
            }
            auto reply = image.serve(request);
            if (image.is_layer(request) && cuts++ < 1) reply.cut_after = 1'000'000;
            return reply;
        });
        PullFixture fixture;
        fixture.pull(server.host() + "/app:v1");
        check_big(fixture);
    }
}

TEST_CASE("a download that is cut for ever fails, and says where", "[R12]") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        if (image.is_layer(request)) reply.cut_after = 10;
        return reply;
    });
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1");
    CHECK(error.code() == Errc::unavailable);
    CHECK(layer_requests(server, image) == 5);
    CHECK(fixture.leftovers().empty());
}

TEST_CASE("a server in trouble is asked again, one that says no is not", "[R11]") {
    const auto image = one_layer();
    for (const int status : {429, 500, 503, 408}) {
        CAPTURE(status);
        std::atomic<int> requests{0};
        ScriptServer server([&](const ServerRequest& request) -> ServerReply {
            if (requests++ % 2 == 0) return {.status = status, .headers = {{"Retry-After", "0"}}};
            return image.serve(request);
        });
        PullFixture fixture;
        fixture.pull(server.host() + "/app:v1");
        check_big(fixture);
    }
    for (const int status : {400, 403, 404}) {
        CAPTURE(status);
        ScriptServer server([&](const ServerRequest&) -> ServerReply {
            return {.status = status,
                    .body = R"({"errors":[{"code":"DENIED","message":"not for you"}]})"};
        });
        PullFixture fixture;
        const std::string what =
            fixture.failure(server.host() + "/app@" + sha256("x").to_string()).what();
        CHECK(server.requests().size() == 1);
        if (status != 404) CHECK(what.find("not for you") != std::string::npos);
    }
}

TEST_CASE("what a registry says of its refusal is one line, and not a long one") {
    ScriptServer server([&](const ServerRequest&) -> ServerReply {
        return {.status = 403,
                .body = R"({"errors":[{"message":"\u001b[2J\u009b1mno\nbanger: yes)" +
                        std::string(50'000, '!') + R"("}]})"};
    });
    PullFixture fixture;
    const std::string what = fixture.failure(server.host() + "/app:v1").what();
    CHECK_THAT(what, ContainsSubstring("with status 403: ?[2J?1mno?banger: yes!!!"));
    CHECK(what.size() < 1500);
}

namespace {

/// A pull that works although nothing of it could be kept.
void check_uncached_pull(PullFixture& fixture, const ServedImage& image, ScriptServer& server) {
    CHECK_NOTHROW(fixture.pull(server.host() + "/app:v1"));
    CHECK_FALSE(std::filesystem::exists(fixture.cached_blob(image.digests[0])));
    check_big(fixture);
    CHECK(layer_requests(server, image) == 1);
}

}  // namespace

TEST_CASE("a cache that cannot be written is done without") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) { return image.serve(request); });
    PullFixture fixture;
    std::filesystem::create_directories(fixture.cache());
    std::ofstream(fixture.cache() + "/oci") << "in the way of the directory";
    check_uncached_pull(fixture, image, server);
}

TEST_CASE("a cache whose disk is full is done without, and takes no room there") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) { return image.serve(request); });
    PullFixture fixture;
    std::filesystem::create_directories(fixture.cache());
    const SmallDisk disk(fixture.cache(), "1m");
    if (!disk) {
        WARN("skipped: only root may mount a small file system");
        return;
    }
    check_uncached_pull(fixture, image, server);
    CHECK(std::filesystem::space(fixture.cache()).free > 900'000);
}

TEST_CASE("an unknown tag is named, whatever the list of tags looks like") {
    const std::vector<std::pair<std::string, std::string>> lists{
        {R"({"tags":["v2"]})", "; did you mean 'v2'?"},
        {R"({"name":"app","tags":null})", ""},
        {"{}", ""},
        {R"({"tags":"v2"})", ""},
        {R"({"tags":[2]})", ""},
        {"[]", ""},
        {"no JSON", ""}};
    for (const auto& [list, hint] : lists) {
        CAPTURE(list);
        ScriptServer server([body = list](const ServerRequest& request) -> ServerReply {
            if (!request.target.ends_with("/tags/list")) return {.status = 404};
            return {.headers = {{"Content-Type", "application/json"}}, .body = body};
        });
        PullFixture fixture;
        const auto error = fixture.failure(server.host() + "/app:v1");
        CHECK(error.code() == Errc::not_found);
        CHECK(error.what() == "no image " + server.host() + "/app:v1 in the registry" + hint);
    }
}

TEST_CASE("a 401 is answered with an anonymous token, once", "[R2]") {
    const auto image = one_layer();
    std::string host;
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (request.target.starts_with("/token")) return {.body = R"({"token":"abc"})"};
        const auto found = request.headers.find("authorization");
        if (found != request.headers.end() && found->second == "Bearer abc") {
            return image.serve(request);
        }
        return {.status = 401,
                .headers = {{"WWW-Authenticate",
                             "Negotiate, Bearer realm=\"http://" + host +
                                 "/token\",service=\"s\",scope=\"repository:app:pull,x\""}}};
    });
    host = server.host();
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    check_big(fixture);
    std::vector<std::string> tokens;
    for (const auto& request : server.requests()) {
        if (request.target.starts_with("/token")) tokens.push_back(request.target);
    }
    CHECK(tokens == std::vector<std::string>{"/token?service=s&scope=repository:app:pull,x"});
}

TEST_CASE("a token that does not open the door ends in one clear error", "[R10]") {
    std::string host;
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (request.target.starts_with("/token")) return {.body = R"({"token":"abc"})"};
        return {.status = 401,
                .headers = {{"WWW-Authenticate", "Bearer realm=\"http://" + host + "/token\""}},
                .body = R"({"errors":[{"message":"authentication required"}]})"};
    });
    host = server.host();
    PullFixture fixture;
    const auto error = fixture.failure(server.host() + "/app:v1");
    CHECK(error.code() == Errc::unauthorized);
    CHECK(std::string(error.what()).find("authentication required") != std::string::npos);
    CHECK(server.requests().size() == 3);
}

TEST_CASE("a redirect to another server goes without the token", "[R9]") {
    const auto image = one_layer();
    ScriptServer storage([&](const ServerRequest& request) -> ServerReply {
        if (request.has("authorization")) return {.status = 400};
        return image.serve(request);
    });
    std::string host;
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (request.target.starts_with("/token")) return {.body = R"({"access_token":"abc"})"};
        if (!request.has("authorization")) {
            return {
                .status = 401,
                .headers = {{"WWW-Authenticate", "Bearer realm=\"http://" + host + "/token\""}}};
        }
        if (request.target.find("/blobs/") == std::string::npos) return image.serve(request);
        return {.status = 307,
                .headers = {{"Location", "http://" + storage.host() + request.target}}};
    });
    host = server.host();
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    check_big(fixture);
    CHECK(storage.requests().size() == 2);
}

TEST_CASE("a blob of another length than promised is refused", "[R14]") {
    const auto image = one_layer();
    for (const bool longer : {true, false}) {
        for (const bool without_length : {true, false}) {
            CAPTURE(longer, without_length);
            ScriptServer server([&](const ServerRequest& request) {
                auto reply = image.serve(request);
                if (!image.is_layer(request) || range_start(request) > 0) return reply;
                reply.without_length = without_length;
                reply.body = longer ? std::string(reply.view) + "more"
                                    : std::string(reply.view.substr(0, 100));
                reply.view = {};
                return reply;
            });
            PullFixture fixture;
            // Short and without a length looks like a cut, and the rest is fetched by range.
            if (!longer && without_length) {
                fixture.pull(server.host() + "/app:v1");
                check_big(fixture);
                continue;
            }
            CHECK(fixture.failure(server.host() + "/app:v1").code() == Errc::digest_mismatch);
            CHECK(fixture.leftovers().empty());
        }
    }
}

TEST_CASE("a layer that the manifest lists twice is downloaded once", "[L79]") {
    const auto tar = TarBuilder().file("big", noise(3'000'000, 7)).finish();
    const ServedImage image({tar, TarBuilder().file(".wh.big", "").finish(), tar});
    ScriptServer server([&](const ServerRequest& request) { return image.serve(request); });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1");
    check_big(fixture);
    CHECK(layer_requests(server, image) == 2);
}

TEST_CASE("a cancelled pull is gone within a second, with its files and threads") {
    const ServedImage image({TarBuilder().file("big", noise(3'000'000, 7)).finish(),
                             TarBuilder().file("two", noise(2'000'000, 8)).finish(),
                             TarBuilder().file("three", "x").finish()});
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        reply.stall = image.is_layer(request) && !request.target.ends_with(image.digests[2]);
        if (reply.stall) reply.cut_after = 1'500'000;
        return reply;
    });
    for (const bool uring : {true, false}) {
        PullFixture fixture;
        const auto threads = count_threads();
        const auto start = std::chrono::steady_clock::now();
        CHECK_THROWS_AS(
            fixture.pull(server.host() + "/app:v1", {.uring = uring, .cancel_after = 500ms}),
            boost::system::system_error);
        CHECK(std::chrono::steady_clock::now() - start < 1500ms);
        CHECK(fixture.leftovers().empty());
        // The server's own threads may come, ours must go.
        CHECK(count_threads() <= threads + server.requests().size());
    }
}

TEST_CASE("one broken layer stops the others within a second") {
    const ServedImage image({TarBuilder().file("big", noise(3'000'000, 7)).finish(),
                             TarBuilder().file("two", noise(2'000'000, 8)).finish()});
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        auto reply = image.serve(request);
        if (request.target.ends_with(image.digests[1])) {
            reply.body = reply.view;
            reply.view = {};
            reply.body[1'000'000] ^= 1;
        } else if (image.is_layer(request)) {
            reply.cut_after = 1'500'000;
            reply.stall = true;
        }
        return reply;
    });
    PullFixture fixture;
    const auto start = std::chrono::steady_clock::now();
    CHECK(fixture.failure(server.host() + "/app:v1").code() == Errc::digest_mismatch);
    CHECK(std::chrono::steady_clock::now() - start < 1500ms);
    CHECK(fixture.leftovers().empty());
}

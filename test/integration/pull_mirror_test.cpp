// Mirrors: they may be anything but believed.

#include "test/support/catch.hpp"
#include "test/support/registry_process.hpp"
#include "test/support/served_image.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

/// An image at its registry, and a mirror that does what the test says.
struct Mirrored {
    explicit Mirrored(ScriptServer::Script script)
        : mirror(std::move(script)),
          origin([this](const ServerRequest& request) { return image.serve(request); }) {}

    PullSetup setup() const {
        return {.registries = {.mirrors = {{origin.host(), {"http://" + mirror.host()}}},
                               .retry = {.first_delay = 10ms}}};
    }
    image::PulledImage pull() { return fixture.pull(origin.host() + "/app:v1", setup()); }
    std::size_t layers_from_origin() const { return layer_requests(origin, image); }

    ServedImage image = one_layer();
    ScriptServer mirror;
    ScriptServer origin;
    PullFixture fixture;
};

}  // namespace

TEST_CASE("what a mirror has is not asked of the registry, but what the tag means is", "[R22]") {
    const auto copy = one_layer();
    Mirrored pair([&](const ServerRequest& request) { return copy.serve(request); });
    pair.pull();
    check_big(pair.fixture);
    REQUIRE(pair.origin.requests().size() == 1);
    CHECK(pair.origin.requests()[0].method == "HEAD");
    CHECK(layer_requests(pair.mirror, pair.image) == 1);
}

TEST_CASE("a mirror that fails in whatever way is done without", "[R22]") {
    for (const int status : {404, 401, 403, 429, 500, 302}) {
        CAPTURE(status);
        Mirrored pair([&](const ServerRequest&) -> ServerReply { return {.status = status}; });
        pair.pull();
        check_big(pair.fixture);
        CHECK(pair.layers_from_origin() == 1);
    }
}

TEST_CASE("a mirror that is down is done without", "[R22]") {
    Mirrored pair([](const ServerRequest&) -> ServerReply { return {.status = 500}; });
    auto setup = pair.setup();
    setup.registries.mirrors = {
        {pair.origin.host(), {"http://127.0.0.1:" + std::to_string(free_port())}}};
    pair.fixture.pull(pair.origin.host() + "/app:v1", setup);
    check_big(pair.fixture);
}

TEST_CASE("a mirror that lags behind is not believed what a tag means", "[R22]") {
    const auto old = one_layer(8);
    Mirrored pair([&](const ServerRequest& request) { return old.serve(request); });
    const auto pulled = pair.pull();
    CHECK(pulled.digest.to_string() == pair.image.digest());
    check_big(pair.fixture);
}

TEST_CASE("bytes that a mirror has damaged come again from the registry", "[R22]") {
    const auto copy = one_layer();
    for (const bool config : {true, false}) {
        CAPTURE(config);
        Mirrored pair([&](const ServerRequest& request) {
            auto reply = copy.serve(request);
            const bool hit =
                config ? request.target.ends_with(copy.config_digest) : copy.is_layer(request);
            if (!hit) return reply;
            reply.body = reply.view;
            reply.view = {};
            reply.body[reply.body.size() / 2] ^= 1;
            return reply;
        });
        pair.pull();
        check_big(pair.fixture);
        CHECK(pair.layers_from_origin() == (config ? 0 : 1));
    }
}

TEST_CASE("a layer that a mirror cuts off goes on at the registry where it was", "[R22]") {
    const auto copy = one_layer();
    Mirrored pair([&](const ServerRequest& request) -> ServerReply {
        auto reply = copy.serve(request);
        if (!copy.is_layer(request)) return reply;
        if (range_start(request) > 0) return {.status = 503};
        reply.cut_after = 1'000'000;
        return reply;
    });
    pair.pull();
    check_big(pair.fixture);
    for (const auto& request : pair.origin.requests()) {
        if (pair.image.is_layer(request)) CHECK(range_start(request) == 1'000'000);
    }
    CHECK(pair.layers_from_origin() == 1);
}

TEST_CASE("when the registry is down its mirror's word counts, and is said so", "[R22]") {
    const auto copy = one_layer();
    ScriptServer mirror([&](const ServerRequest& request) { return copy.serve(request); });
    const auto gone = "127.0.0.1:" + std::to_string(free_port());
    PullFixture fixture;
    const auto pulled = fixture.pull(
        gone + "/app:v1", {.registries = {.mirrors = {{gone, {"http://" + mirror.host()}}},
                                          .retry = {.first_delay = 10ms}}});
    check_big(fixture);
    REQUIRE(pulled.warnings.size() == 1);
    CHECK_THAT(pulled.warnings[0], ContainsSubstring(gone + " does not answer"));
}

TEST_CASE("a mirror never sees the registry's credentials", "[R22]") {
    const auto copy = one_layer();
    ScriptServer mirror([&](const ServerRequest& request) -> ServerReply {
        if (request.target.starts_with("/token")) return {.status = 401};
        return {.status = 401,
                .headers = {{"WWW-Authenticate", "Basic realm=\"x\""},
                            {"WWW-Authenticate",
                             "Bearer realm=\"http://" + request.headers.at("host") + "/token\""}}};
    });
    ScriptServer origin([&](const ServerRequest& request) -> ServerReply {
        if (request.has("authorization")) return copy.serve(request);
        return {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}}};
    });
    PullFixture fixture;
    fixture.pull(origin.host() + "/app:v1",
                 {.registries = {.mirrors = {{origin.host(), {"http://" + mirror.host()}}},
                                 .retry = {.first_delay = 10ms}},
                  .credential = {.username = "me", .password = "s3cret"}});
    check_big(fixture);
    CHECK_FALSE(mirror.requests().empty());
    for (const auto& request : mirror.requests())
        CHECK_FALSE(request.has("authorization"));
}

TEST_CASE("a mirror's path goes before the repository", "[R22]") {
    const auto copy = one_layer();
    Mirrored pair([&](const ServerRequest& request) -> ServerReply {
        if (!request.target.starts_with("/v2/hub/app/")) return {.status = 404};
        return copy.serve(request);
    });
    auto setup = pair.setup();
    setup.registries.mirrors.begin()->second[0] += "/hub/";
    pair.fixture.pull(pair.origin.host() + "/app:v1", setup);
    CHECK(pair.layers_from_origin() == 0);
}

// Who is told what while a pull logs in: each server here keeps what it was sent.

#include <atomic>
#include <chrono>

#include "test/support/catch.hpp"
#include "test/support/served_image.hpp"
#include "test/support/tar_builder.hpp"

using namespace banger;
using namespace banger::test;

namespace {

const image::Credential kLogin{.username = "me", .password = "s3cret:x"};
const std::string kBasic = "Basic bWU6czNjcmV0Ong=";  // of kLogin

std::string header(const ServerRequest& request, const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? "" : found->second;
}

ServerReply challenge(const std::string& text) {
    return {.status = 401, .headers = {{"WWW-Authenticate", text}}};
}

std::string bearer(const std::string& host) {
    return "Bearer realm=\"http://" + host + "/token\",service=\"s\"";
}

/// A registry that serves whoever shows that token, and the token service it sends others to.
struct Registry {
    explicit Registry(ScriptServer::Script tokens, std::string wanted = "Bearer abc")
        : token_service(std::move(tokens)), server([this, wanted](const ServerRequest& request) {
              if (header(request, "authorization") == wanted) return image.serve(request);
              return challenge(bearer(token_service.host()));
          }) {}

    std::string reference() const { return server.host() + "/app:v1"; }

    ServedImage image = one_layer();
    ScriptServer token_service;
    ScriptServer server;
};

}  // namespace

TEST_CASE("a login goes with each request where Basic is wanted, and not to the storage",
          "[R3][R9]") {
    const auto image = one_layer();
    ScriptServer storage([&](const ServerRequest& request) { return image.serve(request); });
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (header(request, "authorization") != kBasic) return challenge("Basic realm=\"x\"");
        if (!image.is_blob(request)) return image.serve(request);
        return {.status = 307,
                .headers = {{"Location", "http://" + storage.host() + request.target}}};
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1", {.credential = kLogin});
    check_big(fixture);
    CHECK(storage.requests().size() == 2);
    CHECK_FALSE(has_seen(storage, "Basic"));
}

TEST_CASE("a login goes to the token service and not to the registry", "[R2][R3]") {
    Registry registry([](const ServerRequest& request) -> ServerReply {
        if (header(request, "authorization") != kBasic) return {.status = 401};
        return {.body = R"({"token":"abc"})"};
    });
    PullFixture fixture;
    const auto pulled = fixture.pull(registry.reference(), {.credential = kLogin});
    check_big(fixture);
    CHECK(pulled.warnings.empty());
    CHECK_FALSE(has_seen(registry.server, "Basic"));
    CHECK(registry.token_service.requests().size() == 1);
}

TEST_CASE("a login that is refused does not keep from what is public, and is said so", "[R3]") {
    Registry registry([](const ServerRequest& request) -> ServerReply {
        if (request.has("authorization")) return {.status = 401};
        return {.body = R"({"token":"abc"})"};
    });
    PullFixture fixture;
    const auto pulled = fixture.pull(registry.reference(), {.credential = kLogin});
    REQUIRE(pulled.warnings.size() == 1);
    CHECK_THAT(pulled.warnings[0], ContainsSubstring("credentials given for"));

    Registry closed([](const ServerRequest&) -> ServerReply { return {.status = 403}; });
    PullFixture other;
    const auto error = other.failure(closed.reference(), {.credential = kLogin});
    CHECK(error.code() == Errc::unauthorized);
    CHECK_THAT(error.what(), ContainsSubstring("were refused"));
    CHECK_THAT(error.what(), !ContainsSubstring("s3cret"));
}

TEST_CASE("an identity token is posted; where only GET is known it is the password", "[R4]") {
    for (const int status : {200, 404, 405}) {
        CAPTURE(status);
        Registry registry([status](const ServerRequest& request) -> ServerReply {
            if (request.method == "POST" && status != 200) return {.status = status};
            if (request.method == "POST") return {.body = R"({"access_token":"abc"})"};
            if (header(request, "authorization") != "Basic PHRva2VuPjppdA==")
                return {.status = 401};
            return {.body = R"({"token":"abc"})"};
        });
        PullFixture fixture;
        fixture.pull(registry.reference(), {.credential = {.identity_token = "it"}});
        check_big(fixture);
        const auto asked = registry.token_service.requests();
        REQUIRE(asked.size() == (status == 200 ? 1 : 2));
        CHECK(asked[0].method == "POST");
        CHECK(asked[0].target == "/token");
        CHECK_THAT(asked[0].body, ContainsSubstring("grant_type=refresh_token") &&
                                      ContainsSubstring("refresh_token=it"));
        CHECK_FALSE(has_seen(registry.server, "refresh_token"));
    }
}

TEST_CASE("a registry token is sent as it is") {
    Registry registry([](const ServerRequest&) -> ServerReply { return {.status = 500}; },
                      "Bearer rt");
    PullFixture fixture;
    fixture.pull(registry.reference(), {.credential = {.registry_token = "rt"}});
    CHECK(registry.token_service.requests().empty());
}

TEST_CASE("a token service that says nothing of use ends in one clear error", "[R7]") {
    const std::vector<std::string> answers{"{}", R"({"token":""})", "no JSON",
                                           R"({"token":")" + std::string(2'000'000, 'x') + "\"}"};
    for (const auto& answer : answers) {
        CAPTURE(answer.substr(0, 20));
        Registry registry([&](const ServerRequest&) -> ServerReply { return {.body = answer}; });
        PullFixture fixture;
        const auto error = fixture.failure(registry.reference());
        CHECK((error.code() == Errc::unauthorized || error.code() == Errc::invalid_argument));
        CHECK(registry.token_service.requests().size() == 1);
    }
    for (const auto* life : {"0", "-1", "\"60\"", "3600.5"}) {
        CAPTURE(life);
        Registry registry([&](const ServerRequest&) -> ServerReply {
            return {.body = R"({"token":"abc","expires_in":)" + std::string(life) + "}"};
        });
        PullFixture fixture;
        fixture.pull(registry.reference());
        CHECK(registry.token_service.requests().size() == 1);
    }
}

TEST_CASE("a token service that says when to come back is asked again then", "[R11]") {
    std::atomic<int> asked{0};
    Registry registry([&](const ServerRequest&) -> ServerReply {
        if (asked++ < 3) return {.status = 429, .headers = {{"Retry-After", "0"}}};
        return {.body = R"({"token":"abc"})"};
    });
    // Far longer than the test may take, where nobody says otherwise.
    const image::RetryPolicy slow{.first_delay = std::chrono::minutes(10),
                                  .max_delay = std::chrono::minutes(10)};
    PullFixture fixture;
    fixture.pull(registry.reference(), {.registries = {.retry = slow}});
    check_big(fixture);
    CHECK(asked == 4);

    Registry busy([](const ServerRequest&) -> ServerReply {
        return {.status = 503, .headers = {{"Retry-After", "3600"}}};
    });
    PullFixture other;
    const auto error = other.failure(busy.reference());
    CHECK(error.code() == Errc::unavailable);
    CHECK_THAT(error.what(), ContainsSubstring("a token for app with status 503"));
    CHECK(busy.token_service.requests().size() == 1);
}

TEST_CASE("a token service that leads to a metadata address gets no further", "[R8]") {
    // Nothing answers there; what matters is that nobody tries.
    for (const bool by_redirect : {false, true}) {
        CAPTURE(by_redirect);
        const std::string trap = "https://169.254.169.254/latest";
        ScriptServer tokens([&](const ServerRequest&) -> ServerReply {
            return {.status = 302, .headers = {{"Location", trap}}};
        });
        ScriptServer server([&](const ServerRequest&) {
            return by_redirect ? challenge(bearer(tokens.host()))
                               : challenge("Bearer realm=\"" + trap + "\"");
        });
        PullFixture fixture;
        const auto error = fixture.failure(server.host() + "/app:v1", {.credential = kLogin});
        CHECK(error.code() == Errc::unauthorized);
        CHECK_THAT(error.what(), ContainsSubstring("169.254.169.254") &&
                                     ContainsSubstring("inside a private network"));
        CHECK(server.requests().size() == 1);
    }
}

TEST_CASE("a redirect of a blob to a metadata address gets no further", "[R8][R9]") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (!image.is_blob(request)) return image.serve(request);
        return {.status = 307, .headers = {{"Location", "https://169.254.169.254/blob"}}};
    });
    PullFixture fixture;
    CHECK_THAT(fixture.failure(server.host() + "/app:v1").what(),
               ContainsSubstring("redirects to 169.254.169.254:443"));
}

TEST_CASE("storage that wants a token of its own gets an anonymous one", "[R9]") {
    const auto image = one_layer();
    ScriptServer storage_tokens(
        [](const ServerRequest&) -> ServerReply { return {.body = R"({"token":"other"})"}; });
    ScriptServer storage([&](const ServerRequest& request) {
        if (header(request, "authorization") == "Bearer other") return image.serve(request);
        return challenge(bearer(storage_tokens.host()));
    });
    ScriptServer tokens([](const ServerRequest& request) -> ServerReply {
        if (header(request, "authorization") != kBasic) return {.status = 401};
        return {.body = R"({"token":"abc"})"};
    });
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (header(request, "authorization") != "Bearer abc") {
            return challenge(bearer(tokens.host()));
        }
        if (!image.is_blob(request)) return image.serve(request);
        return {.status = 307,
                .headers = {{"Location", "http://" + storage.host() + request.target}}};
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1", {.credential = kLogin});
    check_big(fixture);
    for (const auto* other : {&storage, &storage_tokens}) {
        CHECK_FALSE(has_seen(*other, "Basic"));
        CHECK_FALSE(has_seen(*other, "Bearer abc"));
    }
    CHECK_FALSE(has_seen(server, "other"));
}

TEST_CASE("ten redirects are followed, the eleventh is not", "[R9]") {
    const auto image = one_layer();
    for (const int hops : {10, 11}) {
        CAPTURE(hops);
        ScriptServer server([&](const ServerRequest& request) -> ServerReply {
            const auto query = request.target.find("?hop=");
            const int hop =
                query == std::string::npos ? 0 : std::stoi(request.target.substr(query + 5));
            const auto target = request.target.substr(0, query);
            if (image.is_blob(request) && hop < hops) {
                return {.status = 302,
                        .headers = {{"Location", target + "?hop=" + std::to_string(hop + 1)}}};
            }
            auto plain = request;
            plain.target = target;
            return image.serve(plain);
        });
        PullFixture fixture;
        if (hops == 10) {
            fixture.pull(server.host() + "/app:v1");
            check_big(fixture);
        } else {
            const auto error = fixture.failure(server.host() + "/app:v1",
                                               {.registries = {.retry = {.attempts = 1}}});
            CHECK_THAT(error.what(), ContainsSubstring("redirects more than 10 times"));
        }
    }
}

TEST_CASE("a token that runs out in mid-pull is renewed once", "[R10]") {
    std::atomic<int> given{0};
    const auto image = one_layer();
    std::string host;
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (request.target.starts_with("/token")) {
            return {.body = "{\"token\":\"t" + std::to_string(++given) + "\"}"};
        }
        // From the layer on only the second token counts.
        const auto wanted = image.is_layer(request) ? "Bearer t2" : "Bearer t1";
        if (header(request, "authorization") != wanted) return challenge(bearer(host));
        return image.serve(request);
    });
    host = server.host();
    PullFixture fixture;
    fixture.pull(host + "/app:v1");
    check_big(fixture);
    CHECK(given == 2);
}

TEST_CASE("what a registry warns of is passed on, each thing once") {
    const auto image = one_layer();
    ScriptServer server([&](const ServerRequest& request) {
        auto reply = image.serve(request);
        reply.headers.push_back({"Warning", R"(299 - "this \"tag\" ends soon")"});
        reply.headers.push_back({"Warning", R"(110 - "stale")"});
        return reply;
    });
    PullFixture fixture;
    const auto pulled = fixture.pull(server.host() + "/app:v1");
    CHECK(pulled.warnings ==
          std::vector<std::string>{server.host() + " warns: this \"tag\" ends soon"});
}

TEST_CASE("a layer that the registry may not give away comes from its own address", "[R9]") {
    const auto tar = TarBuilder().file("big", noise(3'000'000, 7)).finish();
    ScriptServer vendor([&](const ServerRequest& request) { return ranged(request, tar); });
    const ServedImage image(
        {tar}, R"(,"urls":["http://192.0.2.1/x","http://)" + vendor.host() + R"(/layer"])");
    ScriptServer server([&](const ServerRequest& request) -> ServerReply {
        if (header(request, "authorization") != kBasic) return challenge("Basic realm=\"x\"");
        return image.is_layer(request) ? ServerReply{.status = 404} : image.serve(request);
    });
    PullFixture fixture;
    fixture.pull(server.host() + "/app:v1", {.credential = kLogin});
    check_big(fixture);
    CHECK(vendor.requests().size() == 1);
    CHECK_FALSE(has_seen(vendor, "Basic"));
}

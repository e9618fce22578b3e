#include <algorithm>

#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"
#include "test/integration/api_fixture.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;
using namespace std::chrono_literals;

namespace {

std::string text_of(const boost::json::value& value, std::string_view key) {
    return std::string(value.at(key).as_string());
}

/// Starts an operation and waits for its end.
Task<boost::json::value> finish(ApiFixture& api, std::string method, std::string path,
                                std::string body = {}) {
    const auto started = co_await api.ask(std::move(method), std::move(path), std::move(body));
    CHECK(started.status == 202);
    const auto ended =
        co_await api.ask("GET", "/v1/operations/" + text_of(started.body, "id") + "?wait=true");
    CHECK(ended.status == 200);
    co_return ended.body;
}

Task<std::string> start_slow(ApiFixture& api) {
    const auto started = co_await api.ask("POST", "/v1/vms", R"({"name":"slow"})");
    co_return text_of(started.body, "id");
}

Task<bool> comes_true(bool& flag) {
    for (int i = 0; i < 200 && !flag; ++i)
        co_await sleep_for(10ms);
    co_return flag;
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

}  // namespace

TEST_CASE("an image is pulled, listed, shown and deleted") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto ended =
            co_await finish(api, "POST", "/v1/images",
                            R"({"reference":"docker.io/library/debian:12","name":"deb"})");
        CHECK(text_of(ended, "state") == "succeeded");
        CHECK(text_of(ended.at("result"), "name") == "deb");
        auto answer = co_await api.ask("GET", "/v1/images");
        CHECK(answer.body.as_array().size() == 1);
        answer = co_await api.ask("GET", "/v1/images/deb");
        CHECK(text_of(answer.body, "reference") == "docker.io/library/debian:12");
        answer = co_await api.ask("DELETE", "/v1/images/deb");
        CHECK(answer.status == 204);
        answer = co_await api.ask("GET", "/v1/images/deb");
        CHECK(answer.status == 404);
        answer = co_await api.ask("POST", "/v1/images", "{}");
        CHECK(answer.status == 400);
    });
}

TEST_CASE("an archive that is sent has the rest of its request in the query") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto started = co_await api.curl({"-H", "Content-Type: application/x-tar", "-d",
                                                "12345", "/v1/images?name=sent&kernel_ref=k%2B1"});
        const auto id = text_of(parse_json(started.out, "the answer"), "id");
        const auto ended = co_await api.ask("GET", "/v1/operations/" + id + "?wait=true");
        const auto& image = ended.body.at("result");
        CHECK(text_of(image, "name") == "sent");
        CHECK(text_of(image, "reference") == "-");
        CHECK(text_of(image, "kernel_ref") == "k+1");
        CHECK(image.at("download_bytes").to_number<int>() == 5);
    });
}

TEST_CASE("a pull that fails says so in its operation") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto ended = co_await finish(api, "POST", "/v1/images", R"({"reference":"bad"})");
        CHECK(text_of(ended, "state") == "failed");
        CHECK(text_of(ended.at("error"), "code") == "digest_mismatch");
        CHECK(text_of(ended.at("error"), "op_id") == text_of(ended, "id"));
    });
}

TEST_CASE("a kernel is imported, listed, shown and deleted") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto ended =
            co_await finish(api, "POST", "/v1/kernels", R"({"name":"k6.1","from_deb":"/k.deb"})");
        CHECK(text_of(ended, "state") == "succeeded");
        CHECK((co_await api.ask("GET", "/v1/kernels")).body.as_array().size() == 1);
        CHECK((co_await api.ask("GET", "/v1/kernels/k6.1")).status == 200);
        CHECK((co_await api.ask("DELETE", "/v1/kernels/k6.1")).status == 204);
        CHECK((co_await api.ask("DELETE", "/v1/kernels/k6.1")).status == 404);
        const auto both = R"({"name":"k","from_deb":"/a","from_directory":"/b"})";
        CHECK((co_await api.ask("POST", "/v1/kernels", both)).status == 400);
        CHECK((co_await api.ask("POST", "/v1/kernels", R"({"name":"k"})")).status == 400);
    });
}

TEST_CASE("a VM is created, stopped, started, looked into and deleted") {
    with_api([](ApiFixture& api) -> Task<void> {
        co_await finish(api, "POST", "/v1/vms", R"({"name":"box"})");
        CHECK(text_of((co_await api.ask("GET", "/v1/vms/box")).body, "state") == "running");
        const auto logs = co_await api.curl({"/v1/vms/box/logs?bytes=7"});
        CHECK(logs.out == "line 2\n");
        co_await finish(api, "POST", "/v1/vms/box/stop", R"({"seconds":3})");
        CHECK(api.vms.last_stop_seconds == 3);
        CHECK(text_of((co_await api.ask("GET", "/v1/vms/box")).body, "state") == "stopped");
        co_await finish(api, "POST", "/v1/vms/box/start");
        const auto refused = co_await finish(api, "DELETE", "/v1/vms/box");
        CHECK(text_of(refused.at("error"), "code") == "conflict");
        const auto gone = co_await finish(api, "DELETE", "/v1/vms/box?force=true");
        CHECK(text_of(gone, "state") == "succeeded");
        CHECK(gone.at("result").is_null());
        CHECK((co_await api.ask("DELETE", "/v1/vms/box")).status == 404);
        CHECK((co_await api.ask("POST", "/v1/vms/box/stop", R"({"seconds":99999})")).status == 400);
    });
}

TEST_CASE("an operation says where it is and a repeated key gives it again") {
    with_api([](ApiFixture& api) -> Task<void> {
        const std::vector<std::string> post{
            "-i", "-H", "Idempotency-Key: k-1", "-d", R"({"name":"box"})", "/v1/vms"};
        const auto first = co_await api.curl(post);
        CHECK_THAT(first.out, ContainsSubstring("HTTP/1.1 202"));
        const auto at = first.out.find("Location: /v1/operations/op-");
        REQUIRE(at != std::string::npos);
        const auto second = co_await api.curl(post);
        CHECK_THAT(second.out, ContainsSubstring(first.out.substr(at, 40)));
        CHECK((co_await api.ask("GET", "/v1/operations")).body.as_array().size() == 1);
    });
}

TEST_CASE("events come with ids, end with the operation, and resume") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto ended = co_await finish(api, "POST", "/v1/vms", R"({"name":"box"})");
        const auto path = "/v1/operations/" + text_of(ended, "id") + "/events";
        const auto all = co_await api.curl("-N", "-i", path);
        CHECK_THAT(all.out, ContainsSubstring("Content-Type: text/event-stream"));
        CHECK_THAT(all.out, ContainsSubstring(
                                "id: 1\nevent: progress\ndata: {\"seq\":1,\"stage\":\"disks\""));
        CHECK_THAT(all.out, ContainsSubstring("id: 2\nevent: progress"));
        CHECK_THAT(all.out, ContainsSubstring("id: 2\nevent: end\ndata: {\"id\":\"op-"));
        const auto rest = co_await api.curl("-N", "-H", "Last-Event-ID: 1", path);
        CHECK(count(rest.out, "event: progress") == 1);
        CHECK(count(rest.out, "event: end") == 1);
        const auto bad = co_await api.curl("-w", "%{http_code}", "-H", "Last-Event-ID: x", path);
        CHECK_THAT(bad.out, Catch::Matchers::EndsWith("400"));
        CHECK((co_await api.ask("GET", "/v1/operations/op-000000000000/events")).status == 404);
    });
}

TEST_CASE("a watched operation sends its progress as it comes, at most some 20 times a second") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto id = co_await start_slow(api);
        const auto seen =
            co_await api.curl("-N", "--max-time", "0.5", "/v1/operations/" + id + "/events");
        CHECK(seen.status.code == 28);
        const auto frames = count(seen.out, "event: progress");
        CHECK(frames >= 2);
        CHECK(frames <= 12);
        CHECK(count(seen.out, "event: end") == 0);
    });
}

TEST_CASE("an operation lives on when its watchers go, and ends when it is cancelled") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto id = co_await start_slow(api);
        const auto path = "/v1/operations/" + id;
        co_await api.curl("-N", "--max-time", "0.1", path + "/events");
        co_await api.curl("--max-time", "0.1", path + "?wait=true");
        CHECK(!api.vms.cancelled);
        CHECK(text_of((co_await api.ask("GET", path)).body, "state") == "running");
        auto watching = api.curl("-N", path + "/events");
        auto cancelling = api.ask("DELETE", path);
        auto [watched, cancelled] = co_await when_all(std::move(watching), std::move(cancelling));
        CHECK(cancelled.status == 202);
        CHECK(co_await comes_true(api.vms.cancelled));
        CHECK_THAT(watched.out, ContainsSubstring("event: end"));
        CHECK_THAT(watched.out, ContainsSubstring("\"state\":\"cancelled\""));
    });
}

TEST_CASE("the daemon tells about itself and takes the request to stop") {
    with_api([](ApiFixture& api) -> Task<void> {
        const auto version = co_await api.ask("GET", "/v1/version");
        CHECK(text_of(version.body, "api") == "v1");
        const auto about = co_await api.ask("GET", "/v1/daemon");
        CHECK(text_of(about.body, "socket") == api.paths.socket());
        CHECK(text_of(about.body, "writer") == "pwrite (a test)");
        const auto doctor = co_await api.ask("GET", "/v1/doctor");
        const auto& rows = doctor.body.as_array();
        CHECK(std::any_of(rows.begin(), rows.end(), [](const auto& row) {
            return text_of(row, "check") == "writer" && text_of(row, "status") == "warn";
        }));
        const auto metrics = co_await api.curl({"-i", "/metrics"});
        CHECK_THAT(metrics.out, ContainsSubstring("text/plain; version=0.0.4"));
        CHECK(!api.stop_requested);
        CHECK((co_await api.ask("POST", "/v1/daemon/stop")).status == 202);
        CHECK(api.stop_requested);
    });
}

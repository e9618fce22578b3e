#include "pipelines/io/http_client.hpp"

#include <array>

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/unit/io/scripted_server.hpp"

using namespace banger;
using namespace std::chrono_literals;
using namespace banger::test;

namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

HttpOptions impatient() {
    HttpOptions options;
    options.header_timeout = 1s;
    options.stall_timeout = 1s;
    return options;
}

Task<std::unique_ptr<HttpResponse>> get(HttpClient& client, std::string url, int redirects = 0) {
    HttpRequest request;
    request.url = std::move(url);
    request.max_redirects = redirects;
    request.headers.add("Authorization", "Bearer secret");
    co_return co_await client.send(std::move(request));
}

Task<std::string> get_text(ScriptedServer& server) {
    HttpClient client(co_await boost::asio::this_coro::executor, impatient());
    auto response = co_await get(client, server.url("/path?query=1"));
    co_return co_await response->read_all(1u << 20);
}

/// What a client says that gets `answer`, after which the connection is closed or left standing.
std::string failure_with(const std::string& answer, Errc code, bool close = true) {
    try {
        run_task(with_server(always(answer, close), get_text));
    } catch (const Error& e) {
        CHECK(e.code() == code);
        return e.what();
    }
    return "no failure";
}

/// A handler that redirects everything but /end to `location`.
ScriptedServer::Handler redirect_to(std::string location, std::string status = "302 Found") {
    return [location, status](Socket& socket, std::string head) -> Task<void> {
        const bool end = head.find(" /end ") != head.npos;
        return write_text(socket, end ? kOk
                                      : "HTTP/1.1 " + status + "\r\nLocation: " + location +
                                            "\r\nContent-Length: 4\r\n\r\nmove");
    };
}

}  // namespace

TEST_CASE("a request says what it should and the answer is read") {
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        HttpRequest request;
        request.url = server.url("/a%20b?x=1#fragment");
        request.headers.add("Accept", "one/type");
        request.headers.add("Accept", "other/type");
        auto response = co_await http.send(std::move(request));

        CHECK(response->status() == 200);
        CHECK(response->headers().find("content-LENGTH") == "5");
        CHECK(co_await response->read_all(100) == "hello");

        const auto& head = server.heads().at(0);
        CHECK(head.starts_with("GET /a%20b?x=1 HTTP/1.1\r\n"));
        CHECK(head.find("Host: " + server.authority() + "\r\n") != head.npos);
        CHECK(head.find("Accept: one/type\r\n") != head.npos);
        CHECK(head.find("Accept: other/type\r\n") != head.npos);
        CHECK(head.find("*/*") == head.npos);
    };

    run_task(with_server<void>(always(kOk), client));
}

TEST_CASE("a body is sent with its length") {
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        HttpRequest request{.method = "POST", .url = server.url("/"), .body = "\r\n\r\n"};
        auto response = co_await http.send(std::move(request));
        co_await response->read_all(100);

        CHECK(server.heads().at(0).find("Content-Length: 4\r\n") != std::string::npos);
    };

    run_task(with_server<void>(always(kOk), client));
}

TEST_CASE("a chunked body is joined, through however small a buffer") {
    auto client = [](ScriptedServer& server) -> Task<std::string> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/"));
        std::string text;
        std::array<std::byte, 2> buffer{};
        while (const auto count = co_await response->read_some(buffer)) {
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
        }
        co_return text;
    };

    const std::string answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n4;x=y\r\nlo, \r\n"
        "5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n";
    CHECK(run_task(with_server<std::string>(always(answer), client)) == "hello, world");
}

TEST_CASE("a body without a length ends with the connection") {
    CHECK(run_task(with_server(always("HTTP/1.1 200 OK\r\n\r\nall of it", true), get_text)) ==
          "all of it");
}

TEST_CASE("a large body arrives whole") {
    const std::string body(5'000'000, 'x');
    auto client = [](ScriptedServer& server) -> Task<std::size_t> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/"));
        co_return (co_await response->read_all(10'000'000)).size();
    };

    const auto answer =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    CHECK(run_task(with_server<std::size_t>(always(answer), client)) == body.size());
}

TEST_CASE("interim answers are passed over") {
    CHECK(run_task(with_server(always("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + kOk),
                               get_text)) == "hello");
}

TEST_CASE("ten interim answers are passed over, the eleventh ends the request") {
    const auto interim = [](int count) {
        std::string text;
        for (int i = 0; i < count; ++i)
            text += "HTTP/1.1 102 Processing\r\n\r\n";
        return text;
    };
    CHECK(run_task(with_server(always(interim(10) + kOk), get_text)) == "hello");
    CHECK_THAT(failure_with(interim(11) + kOk, Errc::unavailable),
               Catch::Matchers::StartsWith("127.0.0.1:") &&
                   Catch::Matchers::EndsWith("sent more than 10 interim answers (1xx) and none "
                                             "that counts"));
}

TEST_CASE("a HEAD answer has a length but no body") {
    auto client = [](ScriptedServer& server) -> Task<std::string> {
        HttpClient http(co_await boost::asio::this_coro::executor, impatient());
        HttpRequest request{.method = "HEAD", .url = server.url("/")};
        auto response = co_await http.send(std::move(request));
        CHECK(response->headers().find("Content-Length") == "500");
        co_return co_await response->read_all(100);
    };

    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    CHECK(run_task(with_server<std::string>(always(answer), client)).empty());
}

TEST_CASE("a cut answer is reported, naming the host") {
    const std::string cut = "closed the connection in the middle of its answer";
    CHECK_THAT(failure_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell", Errc::unavailable),
               Catch::Matchers::StartsWith("127.0.0.1:") && Catch::Matchers::EndsWith(cut));
    CHECK_THAT(failure_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                            Errc::unavailable),
               Catch::Matchers::EndsWith(cut));
    CHECK_THAT(failure_with("HTTP/1.1 200 OK\r\nConte", Errc::unavailable),
               Catch::Matchers::EndsWith(cut));
    CHECK_THAT(failure_with("", Errc::unavailable),
               Catch::Matchers::EndsWith("closed the connection without an answer"));
}

TEST_CASE("an answer that stalls times out") {
    CHECK_THAT(
        failure_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell", Errc::timed_out, false),
        Catch::Matchers::EndsWith("sent nothing for 1 s"));
    CHECK_THAT(failure_with("HTTP/1.1 200 OK\r\n", Errc::timed_out, false),
               Catch::Matchers::EndsWith("sent nothing for 1 s"));
}

TEST_CASE("what is not HTTP is reported as such") {
    CHECK_THAT(failure_with("SSH-2.0-OpenSSH_9.2\r\n\r\n", Errc::unavailable),
               ContainsSubstring("not HTTP"));
    CHECK_THAT(failure_with("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", Errc::unavailable),
               ContainsSubstring("not HTTP"));
}

TEST_CASE("a header may take 64 KiB and no more") {
    const auto with_header = [](std::size_t size) {
        return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + std::string(size, 'x') +
               "\r\n\r\nhello";
    };

    CHECK(run_task(with_server(always(with_header(60'000)), get_text)) == "hello");
    CHECK_THAT(failure_with(with_header(70'000), Errc::unavailable),
               Catch::Matchers::EndsWith("sent a header of more than 64 KiB"));
}

TEST_CASE("read_all keeps to its limit") {
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/"));
        co_await response->read_all(4);
    };

    CHECK_THROWS_WITH(run_task(with_server<void>(always(kOk), client)),
                      Catch::Matchers::EndsWith("is larger than 4 bytes"));
}

TEST_CASE("a connection is used again when the body was read, and only then") {
    auto client = [](ScriptedServer& server) -> Task<int> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        for (int i = 0; i < 3; ++i)
            co_await (co_await get(http, server.url("/")))->read_all(100);
        CHECK(server.connections() == 1);
        co_await get(http, server.url("/"));
        co_await get(http, server.url("/"));
        co_return server.connections();
    };

    CHECK(run_task(with_server<int>(always(kOk), client)) == 2);
}

TEST_CASE("a connection that the server closed while it idled is replaced") {
    auto client = [](ScriptedServer& server) -> Task<int> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        for (int i = 0; i < 3; ++i) {
            CHECK(co_await (co_await get(http, server.url("/")))->read_all(100) == "hello");
            co_await sleep_for(10ms);
        }
        co_return server.connections();
    };

    CHECK(run_task(with_server<int>(always(kOk, true), client)) == 3);
}

TEST_CASE("a redirect is followed and the last URL is told") {
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/a/start?x=1"), 3);
        CHECK(response->status() == 200);
        CHECK(response->url() == server.url("/end"));
        CHECK(server.heads().at(1).find("Bearer secret") != std::string::npos);
        CHECK(server.connections() == 1);
    };

    run_task(with_server<void>(redirect_to("../end"), client));
    run_task(with_server<void>(redirect_to("/end", "307 Temporary Redirect"), client));
}

TEST_CASE("a redirect to another host drops the credentials") {
    auto handler = [](Socket& socket, std::string head) -> Task<void> {
        const auto port = std::to_string(socket.local_endpoint().port());
        const bool end = head.find(" /end ") != head.npos;
        return write_text(socket, end ? kOk
                                      : "HTTP/1.1 302 Found\r\nLocation: http://localhost:" + port +
                                            "/end\r\nContent-Length: 0\r\n\r\n");
    };
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/start"), 1);
        CHECK(co_await response->read_all(100) == "hello");
        CHECK(server.heads().at(0).find("Bearer secret") != std::string::npos);
        CHECK(server.heads().at(1).find("Bearer secret") == std::string::npos);
    };

    run_task(with_server<void>(handler, client));
}

TEST_CASE("a redirect is returned as it is unless redirects are asked for") {
    auto client = [](ScriptedServer& server) -> Task<int> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        HttpRequest post{.method = "POST", .url = server.url("/"), .max_redirects = 5};
        CHECK((co_await http.send(std::move(post)))->status() == 302);
        co_return (co_await get(http, server.url("/")))->status();
    };

    CHECK(run_task(with_server<int>(redirect_to("/end"), client)) == 302);
}

TEST_CASE("a circle of redirects ends") {
    auto client = [](ScriptedServer& server) -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        co_await get(http, server.url("/"), 100);
    };

    CHECK_THROWS_WITH(run_task(with_server<void>(redirect_to("/again"), client)),
                      Catch::Matchers::EndsWith("redirects more than 10 times"));
}

TEST_CASE("no server is one clear sentence") {
    auto body = []() -> Task<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        std::string url;
        {
            ScriptedServer gone(executor, always(kOk));
            url = gone.url("/");
        }
        HttpClient http(executor, {});
        co_await get(http, url);
    };

    CHECK_THROWS_WITH(run_task(body()),
                      Catch::Matchers::StartsWith("cannot connect to 127.0.0.1:") &&
                          Catch::Matchers::EndsWith(": Connection refused"));
}

TEST_CASE("a host without an address is named") {
    auto body = []() -> Task<void> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        co_await get(http, "https://no-such-host.invalid/");
    };

    CHECK_THROWS_WITH(run_task(body()), Catch::Matchers::StartsWith(
                                            "cannot find the address of no-such-host.invalid"));
}

TEST_CASE("cancelling a request that waits for its answer ends it") {
    auto client = [](ScriptedServer& server) -> Task<bool> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto ended = co_await race(get(http, server.url("/")), sleep_for(20ms));
        co_return ended.index() == 1;
    };

    CHECK(run_task(with_server<bool>(always(""), client)));
}

TEST_CASE("cancelling the reading of a body ends it") {
    auto client = [](ScriptedServer& server) -> Task<bool> {
        HttpClient http(co_await boost::asio::this_coro::executor, {});
        auto response = co_await get(http, server.url("/"));
        auto ended = co_await race(response->read_all(100), sleep_for(20ms));
        co_return ended.index() == 1;
    };

    const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell";
    CHECK(run_task(with_server<bool>(always(half), client)));
}

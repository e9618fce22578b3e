#include "pipelines/io/http_client.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "pipelines/io/error.hpp"
#include "pipelines/io/http_connection.hpp"
#include "pipelines/io/http_target.hpp"

namespace banger {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxIdle = 8;
/// Longer than that, a middlebox may have forgotten a connection without telling us.
constexpr std::chrono::seconds kIdleLimit{60};
/// A longer body of a redirect is not worth reading for the sake of its connection.
constexpr std::size_t kMaxDiscarded = 64 * 1024;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_safe(const HttpRequest& request) {
    return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

struct HttpClient::State {
    struct Idle {
        std::unique_ptr<HttpConnection> connection;
        Clock::time_point since;
    };
    struct Answer {
        std::unique_ptr<HttpConnection> connection;
        HttpHead head;
    };

    State(asio::any_io_executor executor, HttpOptions options)
        : connector(std::move(executor), std::move(options)) {}

    static std::string key_of(const HttpTarget& target) {
        return (target.tls ? "https " : "http ") + target.origin();
    }
    std::unique_ptr<HttpConnection> take_idle(const HttpRequest& request, const HttpTarget& target);
    void give_back(const std::string& key, std::unique_ptr<HttpConnection> connection);
    Task<Answer> exchange(const HttpRequest& request, const HttpTarget& target);

    HttpConnector connector;
    std::map<std::string, std::vector<Idle>> idle;
};

std::unique_ptr<HttpConnection> HttpClient::State::take_idle(const HttpRequest& request,
                                                             const HttpTarget& target) {
    auto& waiting = idle[key_of(target)];
    while (!waiting.empty()) {
        Idle last = std::move(waiting.back());
        waiting.pop_back();
        const bool fresh = Clock::now() - last.since < kIdleLimit;
        if (!fresh || !last.connection->is_quiet()) continue;
        if (!request.check_address) return std::move(last.connection);
        const auto address = last.connection->peer_address();
        if (!address) continue;
        request.check_address(target, *address);
        return std::move(last.connection);
    }
    return nullptr;
}

void HttpClient::State::give_back(const std::string& key,
                                  std::unique_ptr<HttpConnection> connection) {
    auto& waiting = idle[key];
    if (!connection->is_reusable() || waiting.size() >= kMaxIdle) return;
    waiting.push_back({std::move(connection), Clock::now()});
}

auto HttpClient::State::exchange(const HttpRequest& request, const HttpTarget& target)
    -> Task<Answer> {
    if (auto connection = take_idle(request, target)) {
        auto head = co_await connection->exchange(request, target);
        if (head) co_return Answer{std::move(connection), std::move(*head)};
        // It was closed while it idled. Only what changes nothing is sent a second time.
        if (!is_safe(request)) {
            fail(Errc::unavailable, "{} closed the connection without an answer", target.origin());
        }
    }
    auto connection = co_await connector.connect(target, request.check_address);
    auto head = co_await connection->exchange(request, target);
    if (!head) {
        fail(Errc::unavailable, "{} closed the connection without an answer", target.origin());
    }
    co_return Answer{std::move(connection), std::move(*head)};
}

namespace {

using GiveBack = std::function<void(std::unique_ptr<HttpConnection>)>;

class Response final : public HttpResponse {
  public:
    Response(std::unique_ptr<HttpConnection> connection, HttpHead head, std::string url,
             GiveBack give_back)
        : connection_(std::move(connection)),
          head_(std::move(head)),
          url_(std::move(url)),
          give_back_(std::move(give_back)) {}
    ~Response() override { release(); }

    int status() const override { return head_.status; }
    const HttpHeaders& headers() const override { return head_.headers; }
    const std::string& url() const override { return url_; }

    Task<std::size_t> read_some(std::span<std::byte> buffer) override {
        if (!connection_) co_return 0;
        const auto count = co_await connection_->read_body(buffer);
        if (count == 0) release();
        co_return count;
    }

  private:
    void release() {
        if (connection_ && connection_->is_reusable()) give_back_(std::move(connection_));
    }

    std::unique_ptr<HttpConnection> connection_;
    HttpHead head_;
    std::string url_;
    GiveBack give_back_;
};

/// Reads a short body to its end, for the sake of the connection; true when the end was reached.
Task<bool> discard_body(HttpConnection& connection) {
    std::array<std::byte, 4096> buffer{};
    for (std::size_t total = 0; total < kMaxDiscarded;) {
        const auto count = co_await connection.read_body(buffer);
        if (count == 0) co_return true;
        total += count;
    }
    co_return false;
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor, HttpOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(options))) {}

HttpClient::~HttpClient() = default;

Task<std::unique_ptr<HttpResponse>> HttpClient::send(HttpRequest request) {
    auto state = state_;
    check_request(request);
    const int max_redirects = is_safe(request) ? std::min(request.max_redirects, kMaxRedirects) : 0;
    for (int followed = 0;; ++followed) {
        const auto target = parse_http_url(request.url);
        check_plain_http(target, state->connector.options());
        auto answer = co_await state->exchange(request, target);
        const auto location = answer.head.headers.find("Location");
        if (max_redirects == 0 || !is_redirect(answer.head.status) || !location) {
            auto give_back = [weak = std::weak_ptr(state), key = State::key_of(target)](auto idle) {
                if (auto client = weak.lock()) client->give_back(key, std::move(idle));
            };
            co_return std::make_unique<Response>(std::move(answer.connection),
                                                 std::move(answer.head), request.url,
                                                 std::move(give_back));
        }
        if (followed == max_redirects) {
            fail(Errc::unsupported, "{} redirects more than {} times", target.origin(),
                 max_redirects);
        }
        if (co_await discard_body(*answer.connection)) {
            state->give_back(State::key_of(target), std::move(answer.connection));
        }
        follow_redirect(request, *location);
    }
}

Task<std::string> HttpResponse::read_all(std::size_t limit) {
    std::string text;
    std::array<std::byte, 16 * 1024> buffer{};
    while (const auto count = co_await read_some(buffer)) {
        if (count > limit - text.size()) {
            fail(Errc::invalid_argument, "the answer of {} is larger than {} bytes",
                 parse_http_url(url()).origin(), limit);
        }
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
    co_return text;
}

}  // namespace banger

#include "pipelines/image/registry/retry.hpp"

#include "test/support/catch.hpp"

using namespace banger::image;
using namespace std::chrono_literals;

TEST_CASE("only what can pass is tried again", "[R11]") {
    for (const int status : {408, 429, 500, 502, 503, 504, 522})
        CHECK(is_retryable_status(status));
    for (const int status : {200, 206, 301, 400, 401, 403, 404, 416, 501})
        CHECK_FALSE(is_retryable_status(status));
}

TEST_CASE("delays double, with a little jitter, and end after the fifth try") {
    Retries retries{RetryPolicy{}};
    for (const auto expected : {500ms, 1000ms, 2000ms, 4000ms}) {
        const auto delay = retries.next_delay();
        REQUIRE(delay);
        CHECK(*delay >= expected);
        CHECK(*delay <= expected + expected / 10);
    }
    CHECK_FALSE(retries.next_delay());
    retries.reset();
    CHECK(retries.next_delay());
}

TEST_CASE("Retry-After is obeyed up to a minute", "[R11]") {
    Retries retries{RetryPolicy{}};
    CHECK(retries.next_delay(1s) == 1000ms);
    CHECK(retries.next_delay(60s) == 60s);
    CHECK_FALSE(retries.next_delay(9999s));
}

TEST_CASE("Retry-After is a number or a date", "[R11]") {
    const auto now = std::chrono::system_clock::from_time_t(784111770);
    CHECK(parse_retry_after("120", now) == 120s);
    CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now) == 7s);
    CHECK(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0s);
    CHECK_FALSE(parse_retry_after("soon", now));
    CHECK_FALSE(parse_retry_after("-1", now));
    CHECK_FALSE(parse_retry_after("", now));
}

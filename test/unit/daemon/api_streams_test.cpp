#include "daemon/api/event_stream.hpp"
#include "daemon/api/exec_frames.hpp"
#include "daemon/api/exec_lines.hpp"
#include "daemon/api/metrics.hpp"
#include "pipelines/io/utf8.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::api;
using banger::test::ContainsSubstring;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("UTF-8 is told from what is none") {
    CHECK(valid_utf8_prefix("") == 0);
    CHECK(valid_utf8_prefix("plain\n") == 6);
    CHECK(valid_utf8_prefix("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7") == 9);
    // Overlong forms, surrogates, beyond the last plane, a lone continuation, a bad second byte.
    for (const auto* wrong : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                              "\x80", "\xf5\x80\x80\x80", "\xc3\x28", "\xff"}) {
        CHECK(valid_utf8_prefix(wrong) == 0);
        CHECK(!is_cut_character(wrong));
    }
    CHECK(valid_utf8_prefix("a\xc3") == 1);
    CHECK(is_cut_character("\xc3"));
    CHECK(is_cut_character("\xf0\x9f\x90"));
    CHECK(!is_cut_character(""));
    CHECK(!is_cut_character("a"));
    CHECK(replace_invalid_utf8("a\xff\xfe\xc3\xa4\xc3") ==
          "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
    CHECK(replace_invalid_utf8("\xc3\xa4z") == "\xc3\xa4z");
}

TEST_CASE("what strangers wrote becomes a line of limited length without control characters") {
    CHECK(printable("plain \xc3\xa4\xe2\x82\xac") == "plain \xc3\xa4\xe2\x82\xac");
    CHECK(printable("\x1b[2Ja\nb\tc\x7f\r") == "?[2Ja?b?c??");
    CHECK(printable(std::string("a\0b", 3)) == "a?b");
    // U+009B begins a command of a terminal as ESC [ does; U+00A0 is a space.
    CHECK(printable("a\xc2\x9b"
                    "2J\xc2\x80\xc2\xa0") == "a?2J?\xc2\xa0");
    CHECK(printable("a\x9b\xff") == "a\xef\xbf\xbd\xef\xbf\xbd");
    CHECK(printable("abcdefgh", 8) == "abcdefgh");
    CHECK(printable("abcdefghi", 8) == "abcde\xe2\x80\xa6");
    CHECK(printable("abcd\xc3\xa4"
                    "fghi",
                    8) == "abcd\xe2\x80\xa6");
    CHECK(printable(std::string(5000, 'x')).size() == 1000);
    CHECK(printable_lines("two\n\tlines\x1b[0m\r" + std::string(5000, 'x')) ==
          "two\n\tlines?[0m?" + std::string(5000, 'x'));
}

TEST_CASE("a progress event is a frame with its id") {
    const ProgressEvent event{.seq = 7,
                              .stage = "download",
                              .item = "abc",
                              .done = 5,
                              .total = 10,
                              .rate = 2,
                              .message = "two\nlines",
                              .busy_ms = 4};
    CHECK(progress_frame(event) ==
          "id: 7\nevent: progress\ndata: "
          "{\"seq\":7,\"stage\":\"download\",\"item\":\"abc\",\"done\":5,"
          "\"total\":10,\"rate\":2,\"message\":\"two\\nlines\","
          "\"busy_ms\":4,\"waiting_ms\":0}\n\n");
}

TEST_CASE("the last frame tells the operation and keeps the id") {
    OperationInfo info;
    info.id = "op-1";
    info.state = "succeeded";
    CHECK_THAT(end_frame(info, 7),
               Catch::Matchers::StartsWith("id: 7\nevent: end\ndata: {\"id\":\"op-1\"") &&
                   Catch::Matchers::EndsWith("\"result\":null}\n\n"));
}

TEST_CASE("text of an exec comes as text, other bytes as base64") {
    ExecLines lines;
    CHECK(lines.standard_out(bytes("hello\n")) == "{\"standard_out\":\"hello\\n\"}\n");
    CHECK(lines.standard_error(bytes("\xff\x00z")) == "{\"standard_error_base64\":\"/w==\"}\n");
    CHECK(lines.standard_out(bytes("")) == "");
    CHECK(lines.exited(3) == "{\"exit_code\":3}\n");
}

TEST_CASE("a character cut between two pieces stays whole") {
    ExecLines lines;
    CHECK(lines.standard_out(bytes("a\xe2\x82")) == "{\"standard_out\":\"a\"}\n");
    CHECK(lines.standard_error(bytes("\xc3\xa4")) == "{\"standard_error\":\"\xc3\xa4\"}\n");
    CHECK(lines.standard_out(bytes("\xac")) == "{\"standard_out\":\"\xe2\x82\xac\"}\n");
}

TEST_CASE("the beginning of a character that never ends is not lost") {
    ExecLines lines;
    CHECK(lines.standard_out(bytes("\xe2\x82")) == "");
    CHECK(lines.exited(0) == "{\"standard_out_base64\":\"4oI=\"}\n{\"exit_code\":0}\n");
    CHECK(lines.standard_out(bytes("\xe2")) == "");
    CHECK(lines.standard_out(bytes("x")) == "{\"standard_out_base64\":\"4ng=\"}\n");
    const auto last = lines.failed({.code = "unavailable", .message = "gone", .op_id = {}});
    CHECK(last == "{\"error\":{\"code\":\"unavailable\",\"message\":\"gone\"}}\n");
}

TEST_CASE("an exit is a Kubernetes status") {
    CHECK(exit_status_json(0) == R"({"metadata":{},"status":"Success"})");
    const auto status = boost::json::parse(exit_status_json(42));
    CHECK(status.at("status").as_string() == "Failure");
    CHECK(status.at("reason").as_string() == "NonZeroExitCode");
    const auto& cause = status.at("details").at("causes").at(0);
    CHECK(cause.at("reason").as_string() == "ExitCode");
    CHECK(cause.at("message").as_string() == "42");
}

TEST_CASE("a command whose end is not known is a failure without an exit code") {
    const auto status = boost::json::parse(
        failure_status_json({.code = "unavailable", .message = "gone\xff", .op_id = {}}));
    CHECK(status.at("status").as_string() == "Failure");
    CHECK(status.at("reason").as_string() == "unavailable");
    CHECK(status.at("message").as_string() == "gone\xef\xbf\xbd");
    CHECK(!status.as_object().contains("details"));
}

TEST_CASE("a frame is its channel and its bytes") {
    const auto frame = exec_frame(ExecChannel::standard_error, "xy");
    REQUIRE(frame.size() == 3);
    CHECK(frame[0] == std::byte{2});
    CHECK(frame[1] == std::byte{'x'});
}

TEST_CASE("metrics count VMs by state and operations by kind") {
    VmInfo running;
    running.state = "running";
    OperationInfo pull;
    pull.kind = "image.pull";
    pull.state = "failed";
    const auto text = metrics_text({running, running}, {pull});
    CHECK_THAT(text, ContainsSubstring("\nbanger_vms{state=\"running\"} 2\n"));
    CHECK_THAT(text, ContainsSubstring("\nbanger_vms{state=\"stopped\"} 0\n"));
    CHECK_THAT(text,
               ContainsSubstring("\nbanger_operations{kind=\"image.pull\",state=\"failed\"} 1\n"));
    CHECK_THAT(text, ContainsSubstring("banger_build_info{version="));
    CHECK_THAT(text, ContainsSubstring("\nprocess_open_fds "));
}

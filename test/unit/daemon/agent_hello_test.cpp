#include "daemon/vm/exec_frames.hpp"
#include "daemon/vm/hello.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::vm;

namespace {

const std::string kLine =
    "\nBANGER-HELLO {\"version\":1,\"boot_id\":\"b1\",\"init\":\"banger\","
    "\"timeline\":[{\"name\":\"init\",\"ms\":300},{\"name\":\"agent\",\"ms\":420}]}\n";

}  // namespace

TEST_CASE("a hello is read with its timeline") {
    HelloScanner scanner;
    auto hello = scanner.feed(kLine);
    REQUIRE(hello);
    CHECK(hello->boot_id == "b1");
    CHECK(hello->init == "banger");
    REQUIRE(hello->timeline.size() == 2);
    CHECK(hello->timeline[1].name == "agent");
    CHECK(hello->timeline[1].ms == 420);
}

TEST_CASE("a hello is found wherever the stream is cut") {
    const std::string stream = std::string("\0\1tail of an earlier session\n", 29) + kLine + "PRI";
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        HelloScanner scanner;
        auto first = scanner.feed(std::string_view(stream).substr(0, cut));
        auto second = first ? std::nullopt : scanner.feed(std::string_view(stream).substr(cut));
        CAPTURE(cut);
        REQUIRE((first || second));
        CHECK((first ? first : second)->boot_id == "b1");
    }
}

TEST_CASE("a hello arrives byte by byte") {
    HelloScanner scanner;
    for (std::size_t i = 0; i + 1 < kLine.size(); ++i) {
        CHECK_FALSE(scanner.feed(kLine.substr(i, 1)));
    }
    CHECK(scanner.feed("\n"));
}

TEST_CASE("what follows a hello is kept") {
    HelloScanner scanner;
    REQUIRE(scanner.feed("noise" + kLine + "rest"));
    CHECK(scanner.rest() == "rest");
}

TEST_CASE("a hello that was cut off is passed over for the next whole one") {
    HelloScanner scanner;
    auto hello = scanner.feed("\nBANGER-HELLO {\"version\":1,\"boot_id\":\"old" + kLine);
    REQUIRE(hello);
    CHECK(hello->boot_id == "b1");
}

TEST_CASE("a line without end does not fill the memory") {
    HelloScanner scanner;
    CHECK_FALSE(scanner.feed("\nBANGER-HELLO " + std::string(100'000, 'x')));
    CHECK(scanner.rest().size() < 1000);
    CHECK(scanner.feed(kLine));
}

TEST_CASE("a hello in another protocol version is refused") {
    HelloScanner scanner;
    CHECK_THROWS_WITH(scanner.feed("\nBANGER-HELLO {\"version\":7}\n"),
                      "the guest's agent speaks protocol 7, this banger speaks 1");
}

TEST_CASE("an exec frame is its channel, its length and its payload") {
    auto frame = exec_frame(guest::Channel::standard_error, "abc");
    CHECK(frame == std::string("\2\0\0\0\3abc", 8));
}

TEST_CASE("exec frames are cut wherever the bytes are") {
    const auto stream = exec_frame(guest::Channel::standard_out, "hello") +
                        exec_frame(guest::Channel::standard_out, "") +
                        exec_frame(guest::Channel::status, R"({"exit_code":0})");
    auto bytes = std::as_bytes(std::span(stream));
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        ExecFrameReader reader;
        std::vector<ExecFrame> frames;
        for (auto part : {bytes.first(cut), bytes.subspan(cut)}) {
            reader.feed(part);
            while (auto frame = reader.next())
                frames.push_back(std::move(*frame));
        }
        CAPTURE(cut);
        REQUIRE(frames.size() == 3);
        CHECK(frames[0].payload.size() == 5);
        CHECK(frames[1].payload.empty());
        CHECK(frames[2].channel == guest::Channel::status);
    }
}

TEST_CASE("a frame longer than any may be is refused") {
    ExecFrameReader reader;
    const std::string bad("\1\0\1\0\1", 5);
    reader.feed(std::as_bytes(std::span(bad)));
    CHECK_THROWS_AS(reader.next(), Error);
}

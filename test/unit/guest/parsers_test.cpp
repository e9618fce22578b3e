#include <cerrno>

#include "guest/vsock-agent/environment.hpp"
#include "guest/vsock-agent/exec_request.hpp"
#include "guest/vsock-agent/frame.hpp"
#include "guest/vsock-agent/guest_files.hpp"
#include "guest/vsock-agent/netlink.hpp"
#include "guest/vsock-agent/preface.hpp"
#include "guest/vsock-agent/settings.hpp"
#include "guest/vsock-agent/user.hpp"
#include "test/support/catch.hpp"

using namespace banger::guest;

namespace {

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/bash\n"
    "broken line\n"
    "nobody:x:notanumber:1::/:\n"
    "ann:x:1000:100:Ann,,,:/home/ann:/bin/sh\n"
    "1000:x:7:7::/seven:/bin/sh\n";
constexpr char kGroup[] = "root:x:0:\nusers:x:100:\nwheel:x:10:bob,ann\ndocker:x:998:ann\n:::\n";

User must_resolve(const char* spec) {
    User user;
    std::string error;
    INFO(spec);
    REQUIRE(resolve_user(spec, kPasswd, kGroup, user, error));
    return user;
}

std::string refusal(const char* spec, const char* passwd = kPasswd) {
    User user;
    std::string error;
    INFO(spec);
    REQUIRE_FALSE(resolve_user(spec, passwd, kGroup, user, error));
    return error;
}

std::string settings_error(const char* text) {
    Settings settings;
    std::string error;
    INFO(text);
    REQUIRE_FALSE(parse_settings(text, settings, error));
    return error;
}

}  // namespace

TEST_CASE("no user is root, also without /etc/passwd") {
    CHECK(must_resolve("").home == "/root");
    User user;
    std::string error;
    REQUIRE(resolve_user("", "", "", user, error));
    CHECK(user.uid == 0);
    CHECK(user.home == "/root");
}

TEST_CASE("a name brings its group, home and supplementary groups") {
    const User ann = must_resolve("ann");
    CHECK(ann.uid == 1000);
    CHECK(ann.gid == 100);
    CHECK(ann.home == "/home/ann");
    CHECK(ann.groups == std::vector<gid_t>{10, 998});
}

TEST_CASE("a name wins over an equal number") {
    CHECK(must_resolve("1000").uid == 7);
}

TEST_CASE("a number needs no entry") {
    const User user = must_resolve("4711");
    CHECK(user.uid == 4711);
    CHECK(user.gid == 0);
    CHECK(user.home == "/");
}

TEST_CASE("a group that is asked for stands alone") {
    const User user = must_resolve("ann:docker");
    CHECK(user.gid == 998);
    CHECK(user.groups.empty());
    CHECK(must_resolve("5:6").gid == 6);
}

TEST_CASE("who is not there is named") {
    CHECK(refusal("bob").find("'bob'") != std::string::npos);
    CHECK(refusal("ann:nogroup").find("'nogroup'") != std::string::npos);
    CHECK_FALSE(refusal("nobody").empty());
    // All ones would mean "do not change" to setuid.
    CHECK_FALSE(refusal("4294967295").empty());
    CHECK_FALSE(refusal("-1").empty());
}

TEST_CASE("frames are cut from whatever pieces arrive") {
    const std::string bytes = make_frame(Channel::standard_in, "hello") +
                              make_frame(Channel::close, std::string(1, '\0')) +
                              make_frame(Channel::standard_in, "");
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        FrameReader reader;
        std::vector<std::pair<Channel, std::string>> frames;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            REQUIRE(reader.feed(std::string_view(bytes).substr(at, piece),
                                [&](Channel channel, std::string_view payload) {
                                    frames.emplace_back(channel, payload);
                                }) == 0);
        }
        REQUIRE(frames.size() == 3);
        CHECK(frames[0].second == "hello");
        CHECK(frames[1].first == Channel::close);
        CHECK(frames[2].second.empty());
    }
}

TEST_CASE("a frame above the limit is refused, one at it is not") {
    FrameReader reader;
    const auto ignore = [](Channel, std::string_view) {};
    CHECK(reader.feed(make_frame(Channel::standard_in, std::string(kMaxFrame, 'x')), ignore) == 0);
    const std::string header = make_frame(Channel::standard_in, std::string(kMaxFrame + 1, 'x'));
    CHECK(reader.feed(header.substr(0, kFrameHeader), ignore) == -EMSGSIZE);
}

TEST_CASE("the preface is found byte by byte and after false starts") {
    PrefaceScanner scanner;
    const std::string stream =
        "PPRI * HTTPRI * HTTP/2.0\r\n\r\nSM\r\n\r" + std::string(kClientPreface);
    for (std::size_t i = 0; i < stream.size(); ++i) {
        CHECK_FALSE(scanner.found());
        CHECK(scanner.feed(std::string_view(stream).substr(i, 1)) == 1);
    }
    CHECK(scanner.found());
    CHECK(scanner.feed("after") == 0);
    PrefaceScanner overlapping;
    overlapping.feed("PRI * HTTP" + std::string(kClientPreface.substr(1)));
    CHECK(overlapping.found());
}

TEST_CASE("a poke is counted once, and only when it is whole") {
    PrefaceScanner scanner;
    scanner.feed(std::string(kPoke - 1, '\0') + "x");
    CHECK_FALSE(scanner.take_poke());
    scanner.feed(std::string(kPoke / 2, '\0'));
    scanner.feed(std::string(kPoke / 2, '\0'));
    CHECK(scanner.take_poke());
    CHECK_FALSE(scanner.take_poke());
}

TEST_CASE("settings are read, unknown keys are ignored, missing ones default") {
    Settings settings;
    std::string error;
    REQUIRE(parse_settings(
        R"({"hostname":"box","init":"banger","disk_mode":"copy","env":["A=1"],"working_dir":"/w",
            "modules":["a.ko","b.ko"],"realtime_ns":1700000000000000000,"later":{},
            "network":{"address":"10.0.2.15/24","gateway":"10.0.2.2","dns":["10.0.2.3"]}})",
        settings, error));
    CHECK(settings.hostname == "box");
    CHECK(settings.init == InitChoice::banger);
    CHECK(settings.disk_mode == DiskMode::copy);
    CHECK(settings.modules == std::vector<std::string>{"a.ko", "b.ko"});
    CHECK(settings.realtime_ns == 1700000000000000000);
    REQUIRE(settings.network.has_value());
    CHECK(settings.network->dns == std::vector<std::string>{"10.0.2.3"});
    REQUIRE(parse_settings("{}", settings, error));
    CHECK(settings.init == InitChoice::automatic);
    CHECK(settings.disk_mode == DiskMode::overlay);
    CHECK_FALSE(settings.network.has_value());
}

TEST_CASE("wrong settings are refused with the key's name") {
    CHECK(settings_error("").find("not valid JSON") == 0);
    CHECK(settings_error("[]") == "not a JSON object");
    CHECK(settings_error(R"({"hostname":7})") == "'hostname' is not a string");
    CHECK(settings_error(R"({"modules":[1]})") == "'modules' is not an array of strings");
    CHECK(settings_error(R"({"init":"upstart"})").find("'upstart'") != std::string::npos);
    CHECK(settings_error(R"({"disk_mode":"cow"})").find("'cow'") != std::string::npos);
    CHECK(settings_error(R"({"network":7})") == "'network' is not an object");
    CHECK(settings_error(R"({"network":{"dns":"x"}})") ==
          "network: 'dns' is not an array of strings");
    CHECK(settings_error(R"({"realtime_ns":"now"})") == "'realtime_ns' is not an integer");
}

TEST_CASE("the environment is defaults, then the image's, then the request's") {
    User user;
    user.name = "ann";
    user.home = "/home/ann";
    const auto environment = build_environment(user, true, {"PATH=/image", "LANG=C", "bad"},
                                               {"LANG=de", "EMPTY=", "=x"});
    CHECK(find_variable(environment, "PATH") == "/image");
    CHECK(find_variable(environment, "HOME") == "/home/ann");
    CHECK(find_variable(environment, "USER") == "ann");
    CHECK(find_variable(environment, "TERM") == "xterm");
    CHECK(find_variable(environment, "LANG") == "de");
    CHECK(environment.size() == 6);
    CHECK(find_variable(build_environment(user, false, {}, {}), "TERM").empty());
}

TEST_CASE("commands are looked up as POSIX says") {
    CHECK(command_candidates("./x", "/a:/b") == std::vector<std::string>{"./x"});
    CHECK(command_candidates("x", "/a::/b") == std::vector<std::string>{"/a/x", "./x", "/b/x"});
    CHECK(command_candidates("", "/a").empty());
}

TEST_CASE("hosts gets the host name once, and localhost when it is missing") {
    const std::string once = updated_hosts("", "box");
    CHECK(once.find("127.0.0.1\tlocalhost\n") == 0);
    CHECK(once.find("127.0.1.1\tbox\n") != std::string::npos);
    CHECK(updated_hosts(once, "box") == once);
    CHECK(updated_hosts("127.0.0.1 localhost\n127.0.1.1 old\n10.0.0.1 db", "new") ==
          "127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1\tnew\n");
}

TEST_CASE("addresses have a prefix length") {
    Ipv4Prefix prefix;
    CHECK(parse_prefix("10.0.2.15/24", prefix));
    CHECK(prefix.length == 24);
    for (const char* wrong : {"10.0.2.15", "10.0.2.15/", "10.0.2.15/33", "x/24", "10.0.2.15/24x"}) {
        INFO(wrong);
        CHECK_FALSE(parse_prefix(wrong, prefix));
    }
}

TEST_CASE("an exec request is read and bounded") {
    ExecRequest request;
    std::string error;
    REQUIRE(parse_exec_request(R"({"argv":["a"],"tty":true,"width":70000,"height":-1})", request,
                               error));
    CHECK(request.width == 0xffff);
    CHECK(request.height == 24);
    CHECK_FALSE(parse_exec_request(R"({"argv":[]})", request, error));
    CHECK_FALSE(parse_exec_request(R"({"argv":"ls"})", request, error));
    CHECK_FALSE(parse_exec_request(R"({"argv":["a\u0000b"]})", request, error));
    CHECK(error.find("NUL") != std::string::npos);
}

#include "guest/vsock-agent/api.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>

#include "guest/vsock-agent/disk_growth.hpp"
#include "guest/vsock-agent/json_reader.hpp"
#include "guest/vsock-agent/process.hpp"
#include "guest/vsock-agent/shutdown.hpp"
#include "guest/vsock-agent/traffic.hpp"

namespace banger::guest {
namespace {

// Long enough for the answer to leave by the transport before the processes are ended.
constexpr std::chrono::milliseconds kAnswerFirst{20};
constexpr std::int64_t kLongestShutdownMs = 24 * 3'600'000;

void tell_traffic(const Respond& respond) {
    const Traffic traffic = read_traffic();
    respond(200, boost::json::serialize(
                     boost::json::object{{"received", traffic.received}, {"sent", traffic.sent}}));
}

void set_clock(std::string_view body, const Respond& respond) {
    std::int64_t nanoseconds = 0;
    JsonReader in;
    if (in.parse(body)) in.integer("realtime_ns", nanoseconds);
    if (!in.ok()) return respond(400, error_body("invalid_argument", in.error()));
    if (nanoseconds <= 0) {
        return respond(400, error_body("invalid_argument", "'realtime_ns' is missing"));
    }
    timespec time{};
    time.tv_sec = nanoseconds / 1'000'000'000;
    time.tv_nsec = nanoseconds % 1'000'000'000;
    if (::clock_settime(CLOCK_REALTIME, &time) == 0) return respond(204, "");
    respond(500, error_body("internal",
                            "cannot set the guest's clock: " + std::string(std::strerror(errno))));
}

int sync_disks() {
    ::sync();
    return 0;
}

}  // namespace

std::string error_body(std::string_view code, std::string_view message) {
    const boost::json::object error{
        {"code", boost::json::string_view(code.data(), code.size())},
        {"message", boost::json::string_view(message.data(), message.size())}};
    return boost::json::serialize(boost::json::object{{"error", error}});
}

void Api::handle(std::string_view method, std::string_view path, std::string_view body,
                 Respond respond) {
    const bool get = method == "GET";
    const bool post = method == "POST";
    if (get && path == "/v1/health") return health(respond);
    if (get && path == "/v1/listeners") return list_listeners(respond);
    if (get && path == "/v1/traffic") return tell_traffic(respond);
    if (post && path == "/v1/clock") return set_clock(body, respond);
    if (post && path == "/v1/shutdown") return shut_down(body, respond);
    if (post && path == "/v1/sync") {
        return in_process(sync_disks, [respond](int failed) {
            if (failed == 0) return respond(204, "");
            respond(500, error_body("internal", "cannot start a process that syncs"));
        });
    }
    if (post && path == "/v1/grow-disk") return grow_disk(respond);
    respond(404, error_body("not_found",
                            "the agent has no " + std::string(method) + " " + std::string(path)));
}

void Api::list_listeners(const Respond& respond) {
    boost::json::array listeners;
    for (const Listener& listener : listeners_.read()) {
        listeners.push_back(boost::json::object{
            {"address", listener.address}, {"port", listener.port}, {"process", listener.process}});
    }
    respond(200, boost::json::serialize(boost::json::object{{"listeners", std::move(listeners)}}));
}

void Api::health(const Respond& respond) {
    const auto answer = [this, respond](const std::string& system) {
        const boost::json::object health{{"boot_id", info_.boot_id},
                                         {"uptime_ms", boottime_ms()},
                                         {"init", info_.image_init ? "image" : "banger"},
                                         {"system", system}};
        respond(200, boost::json::serialize(health));
    };
    if (!info_.systemd) return answer("none");
    system_.ask(answer);
}

void Api::in_process(int (*work)(), std::function<void(int)> done) {
    pid_t pid = 0;
    auto pidfd = std::make_shared<Fd>();
    if (start_function(work, pid, *pidfd) != 0) return done(-1);
    loop_.watch(pidfd->get(), EPOLLIN, [this, pidfd, done = std::move(done)](std::uint32_t) {
        loop_.forget(pidfd->get());
        const ExitStatus status = reap(*pidfd);
        done(status.signalled ? -1 : status.code);
    });
}

void Api::grow_disk(const Respond& respond) {
    in_process(grow_vm_disk, [respond](int failed) {
        if (failed == 0) return respond(204, "");
        const char* why = failed > 0 ? std::strerror(failed) : "no process could be started";
        respond(500, error_body("internal", std::string("cannot grow the guest's disk: ") + why));
    });
}

void Api::shut_down(std::string_view body, const Respond& respond) {
    bool reboot = false;
    std::int64_t within_ms = -1;
    JsonReader in;
    if (!body.empty() && in.parse(body)) {
        in.boolean("reboot", reboot);
        in.integer("within_ms", within_ms);
    }
    if (!in.ok()) return respond(400, error_body("invalid_argument", in.error()));
    std::optional<std::int64_t> deadline;
    if (within_ms >= 0) deadline = boottime_ms() + std::min(within_ms, kLongestShutdownMs);
    in_process(sync_disks, [this, reboot, deadline, respond](int) {
        respond(204, "");
        loop_.after(kAnswerFirst, [this, reboot, deadline] {
            begin_shutdown(loop_, info_.systemd, reboot, deadline);
        });
    });
}

}  // namespace banger::guest

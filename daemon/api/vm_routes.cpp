#include <csignal>
#include <map>

#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

constexpr std::uint64_t kDefaultLogBytes = 64 * 1024;
constexpr std::uint64_t kMaxLogBytes = 4 * 1024 * 1024;
constexpr std::uint32_t kMaxStopSeconds = 3600;

// What the operations run: plain functions, because a coroutine's arguments live in its own frame.

Task<boost::json::value> create(vm::VmService& vms, VmCreateRequest wanted, ProgressSink progress) {
    co_return to_json(co_await vms.create(std::move(wanted), std::move(progress)));
}

Task<boost::json::value> start(vm::VmService& vms, std::string id, ProgressSink progress) {
    co_return to_json(co_await vms.start(std::move(id), std::move(progress)));
}

Task<boost::json::value> stop(vm::VmService& vms, std::string id, int seconds,
                              ProgressSink progress) {
    co_return to_json(co_await vms.stop(std::move(id), seconds, std::move(progress)));
}

Task<boost::json::value> remove(vm::VmService& vms, std::string id, bool force,
                                ProgressSink progress) {
    co_await vms.remove(std::move(id), force, std::move(progress));
    co_return nullptr;
}

Task<boost::json::value> restart(vm::VmService& vms, std::string id, int seconds,
                                 ProgressSink progress) {
    co_return to_json(co_await vms.restart(std::move(id), seconds, std::move(progress)));
}

Task<boost::json::value> kill(vm::VmService& vms, std::string id, int signal) {
    co_return to_json(co_await vms.kill(std::move(id), signal));
}

Task<boost::json::value> change(vm::VmService& vms, std::string id, VmChangeRequest wanted) {
    co_return to_json(co_await vms.change(std::move(id), std::move(wanted)));
}

/// Of those that end a VMM; to stop one without ending it is what pause is for.
int parse_signal(std::string name) {
    if (name.starts_with("SIG")) name.erase(0, 3);
    static const std::map<std::string, int> kSignals{
        {"KILL", SIGKILL}, {"TERM", SIGTERM}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"HUP", SIGHUP}};
    const auto found = kSignals.find(name);
    if (found != kSignals.end()) return found->second;
    fail(Errc::invalid_argument,
         "'{}' is no signal that ends a vm: use KILL, TERM, INT, QUIT or HUP", name);
}

int stop_seconds(const Request& request) {
    const auto seconds = parse_body<VmStopRequest>(request).seconds;
    if (seconds > kMaxStopSeconds) {
        fail(Errc::invalid_argument, "seconds: expected at most {}", kMaxStopSeconds);
    }
    return static_cast<int>(seconds);
}

Task<boost::json::value> pause(vm::VmService& vms, std::string id) {
    co_return to_json(co_await vms.pause(std::move(id)));
}

Task<boost::json::value> resume(vm::VmService& vms, std::string id) {
    co_return to_json(co_await vms.resume(std::move(id)));
}

}  // namespace

Task<Response> list_vms(const Request&, Services& services) {
    co_return json_text_response(to_json_text(co_await services.vms.list()));
}

Task<Response> create_vm(const Request& request, Services& services) {
    const auto wanted = parse_body<VmCreateRequest>(request);
    auto work = [&vms = services.vms, wanted](ProgressSink progress) {
        return create(vms, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "vm.create", wanted.name.value_or(""),
                              std::move(work));
}

Task<Response> show_vm(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.vms.show(request.param("vm"))));
}

Task<Response> delete_vm(const Request& request, Services& services) {
    const bool force = request.query_flag("force");
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, force](ProgressSink progress) {
        return remove(vms, id, force, std::move(progress));
    };
    co_return start_operation(request, services, "vm.delete", vm.name, std::move(work));
}

Task<Response> start_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink progress) {
        return start(vms, id, std::move(progress));
    };
    co_return start_operation(request, services, "vm.start", vm.name, std::move(work));
}

Task<Response> stop_vm(const Request& request, Services& services) {
    const auto seconds = stop_seconds(request);
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, seconds](ProgressSink progress) {
        return stop(vms, id, seconds, std::move(progress));
    };
    co_return start_operation(request, services, "vm.stop", vm.name, std::move(work));
}

Task<Response> restart_vm(const Request& request, Services& services) {
    const auto seconds = stop_seconds(request);
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, seconds](ProgressSink progress) {
        return restart(vms, id, seconds, std::move(progress));
    };
    co_return start_operation(request, services, "vm.restart", vm.name, std::move(work));
}

Task<Response> kill_vm(const Request& request, Services& services) {
    const auto signal = parse_signal(parse_body<VmKillRequest>(request).signal);
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, signal](ProgressSink) {
        return kill(vms, id, signal);
    };
    co_return start_operation(request, services, "vm.kill", vm.name, std::move(work));
}

Task<Response> change_vm(const Request& request, Services& services) {
    const auto wanted = parse_body<VmChangeRequest>(request);
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id, wanted](ProgressSink) {
        return change(vms, id, wanted);
    };
    co_return start_operation(request, services, "vm.change", vm.name, std::move(work));
}

Task<Response> get_vm_stats(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.vms.stats(request.param("vm"))));
}

Task<Response> get_vm_health(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.vms.health(request.param("vm"))));
}

Task<Response> pause_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink) { return pause(vms, id); };
    co_return start_operation(request, services, "vm.pause", vm.name, std::move(work));
}

Task<Response> resume_vm(const Request& request, Services& services) {
    const auto vm = co_await services.vms.show(request.param("vm"));
    auto work = [&vms = services.vms, id = vm.id](ProgressSink) { return resume(vms, id); };
    co_return start_operation(request, services, "vm.resume", vm.name, std::move(work));
}

Task<Response> get_vm_logs(const Request& request, Services& services) {
    const auto bytes = request.query_number("bytes", kMaxLogBytes).value_or(kDefaultLogBytes);
    auto text = co_await services.vms.serial_log(request.param("vm"), bytes);
    co_return Response{
        .status = 200, .content_type = "text/plain", .body = std::move(text), .headers = {}};
}

}  // namespace banger::api

#include "daemon/vm/boot.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "daemon/vm/backends.hpp"
#include "daemon/vm/boot_files.hpp"
#include "daemon/vm/boot_report.hpp"
#include "daemon/vm/file_tail.hpp"
#include "daemon/vm/limit_vmm.hpp"
#include "daemon/vm/ports.hpp"
#include "daemon/vm/supervise.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/time.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

Error as_error(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const Error& e) {
        return e;
    } catch (const std::exception& e) {
        return {Errc::internal, e.what()};
    }
}

/// One start, from the wish to readiness or to a verdict.
class BootSequence {
  public:
    BootSequence(VmContext& context, InstancePtr vm, BootOptions options, ProgressSink progress)
        : context_(context),
          vm_(std::move(vm)),
          options_(options),
          progress_(std::move(progress)),
          began_(Clock::now()) {}

    Task<void> run();
    /// Takes back what run() did before it threw `error`. Throws what the caller is told instead of
    /// that, if anything.
    Task<void> undo(VmState before, std::exception_ptr error);

  private:
    Task<void> open(const MachineSpec& spec);
    Task<void> launch(const MachineSpec& spec);
    Task<void> wait_ready();
    Task<void> grow_file_system(std::shared_ptr<AgentClient> agent);
    Task<void> wait_system();
    void heard(const Hello& hello);
    void check_interrupt() const;
    Task<void> wait_interrupt();
    Clock::duration left() const {
        return began_ + std::chrono::seconds(options_.seconds) - Clock::now();
    }
    std::int64_t ms() const;
    void mark(const std::string& name);
    Task<Error> fail_report(const std::exception_ptr& error);
    Task<void> settle_failure(const Error& why);

    VmContext& context_;
    InstancePtr vm_;
    BootOptions options_;
    ProgressSink progress_;
    Clock::time_point began_;
    std::shared_ptr<Run> run_;
    api::BootReport report_;
    std::int64_t vmm_ms_ = 0;
    bool heard_ = false;
};

Task<void> BootSequence::run() {
    check_interrupt();
    auto spec = co_await prepare_boot(context_, vm_->record);
    mark("disks");
    check_interrupt();
    co_await launch(spec);
    auto what = fmt::format("vm '{}' is not ready after {} s", vm_->record.name, options_.seconds);
    co_await with_timeout(left(), wait_ready(), std::move(what));
    mark("ready");
    follow_boot_id(vm_);
    report_.verdict = "ready";
    vm_->record.boot = report_;
    vm_->record.started_at = now_rfc3339();
    vm_->record.error.reset();
    co_await context_.advance(*vm_, VmEvent::ready);
}

Task<void> BootSequence::launch(const MachineSpec& spec) {
    run_ = std::make_shared<Run>(context_.deps.executor);
    auto peer = fmt::format("the agent of vm '{}'", vm_->record.name);
    run_->link = std::make_shared<GuestLink>(context_.deps.executor, guest_socket(spec.directory),
                                             std::move(peer));
    run_->link->on_hello = [this](const Hello& hello) { heard(hello); };
    open_ports(context_, vm_, run_);
    std::exception_ptr error;
    try {
        auto what = fmt::format("the vmm of vm '{}' did not start within {} s", vm_->record.name,
                                options_.seconds);
        co_await with_timeout(left(), race(open(spec), wait_interrupt()), std::move(what));
    } catch (...) {
        error = std::current_exception();
    }
    // A launch that was ended has ended its VMM.
    if (!run_->machine) std::rethrow_exception(error);
    // From here on to the supervisor nothing suspends: a VMM without one would outlive its undoing.
    vm_->run = run_;
    supervise(context_, vm_);
    if (error) std::rethrow_exception(error);
    mark("vmm");
    vmm_ms_ = report_.timeline.back().ms;
    auto handle = run_->machine->handle();
    vm_->record.pid = handle.pid;
    vm_->record.start_time = handle.start_time;
    co_await context_.save(*vm_);
    co_await limit_vmm(context_, vm_->record, handle.pid);
    check_interrupt();
}

/// The machine has its place at once: what a race leaves over is dropped.
Task<void> BootSequence::open(const MachineSpec& spec) {
    auto& backend = context_.deps.backends.for_start(vm_->record.backend);
    run_->machine = co_await backend.launch(spec);
}

Task<void> BootSequence::wait_ready() {
    auto agent = co_await wait_agent(run_);
    // The guest's early clock counted ticks, of which a busy host loses some.
    auto now = std::chrono::system_clock::now().time_since_epoch();
    co_await agent->set_clock(std::chrono::nanoseconds(now).count(), std::chrono::seconds(10));
    if (vm_->record.grow_disk) co_await grow_file_system(agent);
    if (options_.wait_system) co_await wait_system();
}

/// A guest that cannot is a guest all the same; the next start tries again.
Task<void> BootSequence::grow_file_system(std::shared_ptr<AgentClient> agent) {
    try {
        co_await agent->grow_disk(std::chrono::seconds(options_.seconds));
        vm_->record.grow_disk = false;
    } catch (const Error& e) {
        spdlog::warn("the disk of vm '{}' did not grow: {}", vm_->record.name, e.what());
    }
}

Task<void> BootSequence::wait_system() {
    for (;;) {
        auto agent = co_await wait_agent(run_);
        auto health = co_await agent->health(std::chrono::seconds(10));
        bool settled = health.system == "none" || health.system == "running" ||
                       health.system == "degraded" || health.system == "maintenance";
        if (settled) co_return;
        if (progress_) progress_({.stage = "boot", .message = "systemd: " + health.system});
        co_await sleep_for(std::chrono::milliseconds(250));
    }
}

void BootSequence::heard(const Hello& hello) {
    vm_->record.boot_id = hello.boot_id;
    // What the boot waited for came with the first; later ones are no part of its report.
    if (std::exchange(heard_, true)) return;
    for (auto& placed : place_guest_marks(hello.timeline, vmm_ms_, ms())) {
        report_.timeline.push_back(std::move(placed));
    }
}

void BootSequence::check_interrupt() const {
    if (vm_->interrupts == 0) return;
    fail(Errc::conflict, "vm '{}' was stopped while it started", vm_->record.name);
}

Task<void> BootSequence::wait_interrupt() {
    while (vm_->interrupts == 0)
        co_await vm_->interrupted.wait();
    check_interrupt();
}

std::int64_t BootSequence::ms() const {
    using std::chrono::milliseconds;
    return std::chrono::duration_cast<milliseconds>(Clock::now() - began_).count();
}

void BootSequence::mark(const std::string& name) {
    report_.timeline.push_back({name, ms()});
    if (progress_) progress_({.stage = "boot", .item = name});
}

/// Completes the report; what the caller is told, with the verdict as its message.
Task<Error> BootSequence::fail_report(const std::exception_ptr& error) {
    auto directory = context_.directory(vm_->record);
    bool ended = run_ && run_->ended;
    bool silent =
        vm_->run && !ended && Clock::now() - began_ >= std::chrono::seconds(options_.seconds);
    auto read = [&](std::stop_token) {
        return read_tail_blocking(directory + "/serial.log", 32768);
    };
    FailedBoot failed{co_await run_blocking(context_.deps.pool, read), {}, options_.seconds};
    if (ended) {
        const auto& backend = context_.deps.backends.of(vm_->record.backend);
        failed.vmm_exit = backend.describe_exit(directory, run_->status);
        report_.vmm_exit = *failed.vmm_exit;
    }
    if (!heard_) {
        for (const auto& mark : marks_in_console(failed.console)) {
            report_.timeline.push_back({mark.name, vmm_ms_ + mark.ms});
        }
    }
    report_.serial_tail = last_lines(failed.console, 20);
    if (ended) co_return Error(Errc::unavailable, verdict(failed));
    if (silent && !heard_) co_return Error(Errc::timed_out, verdict(failed));
    co_return as_error(error);
}

Task<void> BootSequence::undo(VmState before, std::exception_ptr error) {
    if (run_ && run_->link) run_->link->on_hello = {};
    bool interrupted = vm_->interrupts > 0;
    bool cancelled = is_cancellation(error) || interrupted;
    std::optional<Error> why;
    if (!cancelled) why = co_await fail_report(error);
    co_await kill_and_wait(vm_->run);
    vm_->end_run();
    vm_->record.pid.reset();
    co_await context_.clear_runtime(vm_->record);
    if (why) co_await settle_failure(*why);
    vm_->record.state = before == VmState::created ? before : VmState::stopped;
    co_await context_.save(*vm_);
    if (interrupted) check_interrupt();
}

Task<void> BootSequence::settle_failure(const Error& why) {
    auto& record = vm_->record;
    report_.verdict = why.what();
    record.boot = report_;
    record.error = why.what();
    co_await context_.note(*vm_, VmEvent::start_failed);
    auto text = fmt::format("vm '{}' did not start: {}", record.name, why.what());
    if (!report_.serial_tail.empty()) {
        text += "\nlast lines of its console:\n" + last_lines(report_.serial_tail, 10);
    }
    throw Error(why.code(), text);
}

}  // namespace

Task<void> boot(VmContext& context, InstancePtr vm, BootOptions options, ProgressSink progress) {
    const auto before = vm->record;
    vm->record.boot.reset();
    vm->record.boot_id.reset();
    vm->record.pause_reason.reset();
    vm->record.end_reason.reset();
    vm->record.stopped_at.reset();
    BootSequence sequence(context, vm, options, std::move(progress));
    std::exception_ptr error;
    try {
        co_await context.advance(*vm, VmEvent::start);
        co_await sequence.run();
    } catch (...) {
        error = std::current_exception();
    }
    if (error && vm->record.state == VmState::starting) {
        // In this frame, for a cancelled one cannot even begin to await another.
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await sequence.undo(before.state, error);
    } else if (error) {
        // It may not start now, or that could not be written down: its last life is still its last.
        vm->record = before;
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace banger::vm

#include "daemon/vm/disk_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <vector>

#include "daemon/vm/pause.hpp"
#include "daemon/vm/vm_disks.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
/// A VM whose lock is held is being stopped, or started: the next look finds it.
constexpr std::chrono::milliseconds kLockPatience{200};

std::vector<InstancePtr> up(const VmContext& context) {
    std::vector<InstancePtr> vms;
    for (const auto& [id, vm] : context.instances) {
        if (is_up(vm->record.state) && vm->run && !vm->run->ended) vms.push_back(vm);
    }
    return vms;
}

bool is_paused_by_us(const VmRecord& record) {
    return record.state == VmState::paused && record.pause_reason == kDiskIsFull;
}

/// Runs `step` on a VM that is still up; says what went wrong, for the others are to be seen to.
template <class Step>
Task<void> with_vm(InstancePtr vm, std::string what, Step step) {
    try {
        auto held = co_await with_timeout(kLockPatience, vm->lock.acquire(), "it is busy");
        if (!is_up(vm->record.state) || !vm->run) co_return;
        co_await step(vm);
    } catch (const std::exception& e) {
        if (is_cancellation(std::current_exception())) throw;
        spdlog::warn("cannot {} vm '{}': {}", what, vm->record.name, e.what());
    }
}

class Watch {
  public:
    explicit Watch(VmContext& context) : context_(context) {}

    Task<void> look() {
        const auto vms = up(context_);
        if (vms.empty()) {
            full_ = false;
            co_return;
        }
        const auto space = co_await ask();
        const auto marks = disk_marks(space.total, context_.deps.config.disk_reserve);
        if (space.free < marks.pause) {
            if (!full_) spdlog::error("{} MiB are free: vms are paused", space.free >> 20);
            full_ = true;
            co_await pause_all(vms);
        } else if (space.free >= marks.resume) {
            co_await resume_all(vms);
            full_ = false;
        }
    }

  private:
    Task<DiskSpace> ask() {
        const auto path = context_.deps.paths.vms();
        co_return co_await run_blocking(context_.deps.pool,
                                        [&](std::stop_token) { return disk_space_blocking(path); });
    }

    /// All at once: a VMM that does not answer holds up none of the others.
    Task<void> pause_all(std::vector<InstancePtr> vms) {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        for (const auto& vm : vms) {
            if (vm->record.state != VmState::running) continue;
            group.spawn(with_vm(vm, "pause", [this](InstancePtr v) { return pause_one(v); }));
        }
        co_await group.join();
    }

    /// Somebody may have paused it for good while its lock was waited for.
    Task<void> pause_one(InstancePtr vm) {
        if (vm->record.state != VmState::running) co_return;
        co_await pause(context_, vm, kDiskIsFull);
    }

    Task<void> resume_all(std::vector<InstancePtr> vms) {
        TaskGroup group(co_await boost::asio::this_coro::executor);
        for (const auto& vm : vms) {
            if (!is_ours(vm->record)) continue;
            group.spawn(with_vm(vm, "resume", [this](InstancePtr v) { return resume_one(v); }));
        }
        co_await group.join();
    }

    Task<void> resume_one(InstancePtr vm) {
        if (!is_ours(vm->record)) co_return;
        spdlog::info("there is room on the disk: vm '{}' goes on", vm->record.name);
        co_await resume(context_, vm);
    }

    /// After a full disk also those that are said to run: their VMM may have stopped them.
    bool is_ours(const VmRecord& record) const {
        return is_paused_by_us(record) || (full_ && record.state == VmState::running);
    }

    VmContext& context_;
    bool full_ = false;
};

}  // namespace

DiskMarks disk_marks(std::uint64_t total, std::uint64_t reserve) {
    if (reserve == 0) reserve = disk_reserve_of(total);
    return {reserve / 4, reserve / 2};
}

Task<void> watch_disk(VmContext& context) {
    Watch watch(context);
    for (;;) {
        co_await sleep_for(kLookEvery);
        try {
            co_await watch.look();
        } catch (const std::exception& e) {
            if (is_cancellation(std::current_exception())) throw;
            spdlog::error("cannot watch the disk: {}", e.what());
        }
    }
}

}  // namespace banger::vm

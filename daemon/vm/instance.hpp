#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/net/port_forwards.hpp"
#include "daemon/vm/async_lock.hpp"
#include "daemon/vm/backend.hpp"
#include "daemon/vm/guest_link.hpp"
#include "daemon/vm/make_vm_service.hpp"
#include "daemon/vm/vm_record.hpp"
#include "pipelines/io/task_group.hpp"

namespace banger::vm {

/// One life of a VM, from the start of its VMM to its end.
struct Run {
    explicit Run(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}

    std::shared_ptr<GuestLink> link;  ///< null when an adopted VMM's could not be bound
    std::unique_ptr<Machine> machine;
    std::shared_ptr<net::PortForwards> ports;  ///< see ports.hpp
    bool ended = false;                        ///< the VMM is gone
    std::optional<ExitStatus> status;          ///< how, where that can be known
    Notifier changed;

    /// Its processors stand still, or run again.
    void stand_still(bool still) {
        if (link) link->hold(still);
    }
};

/// A VM in memory. `lock` is held by whoever changes its state: start, stop, remove, and the
/// supervisor when the VMM ends by itself.
struct Instance {
    Instance(boost::asio::any_io_executor executor, VmRecord r)
        : record(std::move(r)), lock(executor), interrupted(std::move(executor)) {}

    /// The VMM is gone, or was never there. Its ports are free from now on, although its supervisor
    /// may hold the run a little longer.
    void end_run();

    VmRecord record;
    AsyncLock lock;
    std::shared_ptr<Run> run;  ///< null while there is no VMM
    /// How many (stop, remove) wait for the boot that is under way to end.
    int interrupts = 0;
    Notifier interrupted;  ///< there is one more of them
    bool removed = false;
};

using InstancePtr = std::shared_ptr<Instance>;

/// A record that cannot be read: left alone, and told of.
struct UnreadableVm {
    std::string name;
    std::string why;
};

/// What the steps of a VM's life share.
struct VmContext {
    explicit VmContext(VmDependencies dependencies)
        : deps(std::move(dependencies)), background(deps.executor) {}

    std::string directory(const VmRecord& record) const {
        return deps.paths.vms() + "/" + record.id;
    }
    std::string runtime(const VmRecord& record) const { return deps.paths.vm_runtime(record.id); }
    /// A loopback address that no VM has.
    std::string free_address(const std::string& id) const;
    /// Writes the record to the store.
    Task<void> save(const Instance& vm);
    /// The state that `event` leads to; throws Error{conflict} when there is none.
    static VmState state_after(const VmRecord& record, VmEvent event);
    /// Moves to the state that `event` leads to and saves; throws Error{conflict} when it has no
    /// business in this one. Either the state is new and saved, or an exception leaves it as it
    /// was.
    Task<void> advance(Instance& vm, VmEvent event);
    /// The same for what has happened already: saved or not, it is so. A record that could not be
    /// saved is older, and settled when a daemon reads it.
    Task<void> note(Instance& vm, VmEvent event);
    /// Removes the sockets and the boot's files of a VM without VMM.
    Task<void> clear_runtime(const VmRecord& record);
    /// Removes all that is left of a VM without VMM: files, record, memory.
    Task<void> forget(InstancePtr vm);
    /// Runs until it ends or the service is closed. What it throws is logged, with `what` it was,
    /// and ends nothing else.
    void spawn(Task<void> work, std::string what);

    VmDependencies deps;
    std::map<std::string, InstancePtr> instances;    ///< by id
    std::map<std::string, UnreadableVm> unreadable;  ///< by id; none of them is among the instances
    TaskGroup background;
};

}  // namespace banger::vm

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/net/guest_connection.hpp"
#include "daemon/vm/exec_session.hpp"
#include "pipelines/io/progress.hpp"
#include "pipelines/io/task.hpp"

namespace banger::vm {

/// The life of VMs. `ref` is a name, an id, or a unique prefix of an id (at least 4 digits); an
/// unknown one throws Error{not_found} with the nearest name. Long ones run inside an operation:
/// cancelling it undoes what was begun. One VM's slowness never delays another's call.
class VmService {
  public:
    virtual ~VmService() = default;

    virtual Task<std::vector<api::VmInfo>> list() = 0;
    virtual Task<api::VmInfo> show(std::string ref) = 0;
    virtual Task<api::VmInfo> create(api::VmCreateRequest request, ProgressSink progress) = 0;
    virtual Task<api::VmInfo> start(std::string ref, ProgressSink progress) = 0;
    /// Stops by the agent; after `seconds` the VMM is killed.
    virtual Task<api::VmInfo> stop(std::string ref, int seconds, ProgressSink progress) = 0;
    /// Stops it hard when it runs and `force`; Error{conflict} when it runs and not.
    virtual Task<void> remove(std::string ref, bool force, ProgressSink progress) = 0;
    /// Stops it, if it runs, and starts it.
    virtual Task<api::VmInfo> restart(std::string ref, int seconds, ProgressSink progress) = 0;
    /// Has a signal end the VMM, without asking the guest.
    virtual Task<api::VmInfo> kill(std::string ref, int signal) = 0;
    /// Processors and memory of a stopped VM, a larger disk, another name.
    virtual Task<api::VmInfo> change(std::string ref, api::VmChangeRequest request) = 0;
    /// What it uses of the host.
    virtual Task<api::VmStats> stats(std::string ref) = 0;
    /// What its guest says, or why it says nothing, within 5 seconds.
    virtual Task<api::VmHealth> health(std::string ref) = 0;
    /// The guest's processors stand still until resume(). Pausing what is paused is done already;
    /// Error{conflict} for what does not run.
    virtual Task<api::VmInfo> pause(std::string ref) = 0;
    virtual Task<api::VmInfo> resume(std::string ref) = 0;
    virtual Task<std::unique_ptr<ExecSession>> exec(std::string ref, api::ExecRequest request) = 0;
    /// A connection to a port of the guest; one reader, one writer.
    virtual Task<std::unique_ptr<net::GuestConnection>> connect(std::string ref,
                                                                std::uint16_t port) = 0;
    virtual Task<api::VmPorts> ports(std::string ref) = 0;
    virtual Task<api::VmPorts> publish(std::string ref, api::PublishedPort port) = 0;
    virtual Task<api::VmPorts> unpublish(std::string ref, std::string address,
                                         std::uint16_t host) = 0;
    virtual Task<api::VmPorts> publish_all(std::string ref, bool enabled) = 0;
    /// The serial console's last `bytes`.
    virtual Task<std::string> serial_log(std::string ref, std::size_t bytes) = 0;

    /// At start: adopt what still runs, finish what was half done, sweep leftovers.
    virtual Task<void> reconcile() = 0;
    /// Lets go of all VMs (they keep running) and ends background work.
    virtual Task<void> close() = 0;
};

}  // namespace banger::vm

#pragma once

#include <cstdint>
#include <memory>

#include "daemon/api/types.hpp"
#include "daemon/net/guest_connection.hpp"
#include "daemon/vm/instance.hpp"

namespace banger::vm {

// The ports of one VM: what its guest listens on, and where the host leads there.

/// A connection to a port of a running VM, one of as many as it may have (net::ForwardLimits).
/// Throws Error{conflict} when it does not run, Error{unavailable} when it has them all, when its
/// agent is not there within seconds, or when nothing accepts.
Task<std::unique_ptr<net::GuestConnection>> connect_guest(InstancePtr vm, std::uint16_t port);

/// The published ports as they are kept: checked, the host's port filled in. Throws
/// Error{invalid_argument} for a bad one or two alike.
std::vector<api::PublishedPort> check_published(std::vector<api::PublishedPort> ports);

/// Listens on the published ports of a run that is about to begin; connections wait until the guest
/// is there. Throws when one cannot be had; the run is then to be dropped.
void open_ports(VmContext& context, const InstancePtr& vm, const std::shared_ptr<Run>& run);
/// The same for a run that goes on under a new daemon: what cannot be had is tried again later.
void reopen_ports(VmContext& context, const InstancePtr& vm, const std::shared_ptr<Run>& run);
/// Carries the connections of that run until cancelled, and follows the guest's listeners where
/// that is asked for.
Task<void> serve_ports(InstancePtr vm, std::shared_ptr<Run> run);

Task<api::VmPorts> list_ports(InstancePtr vm);

/// What a VM publishes after that request: what it no longer does is taken out, then what it does
/// from now on is added. Throws Error{invalid_argument} for a bad port, Error{not_found} for one
/// that it does not publish, Error{already_exists} for one that it does.
std::vector<api::PublishedPort> plan_ports(const VmRecord& record,
                                           const api::VmChangeRequest& request);
/// Listens on what `after` publishes and `before` does not, no more on what only `before` does;
/// connections that stand go on. Throws, with all as it was, when a port cannot be had.
void move_ports(Run& run, const VmRecord& before, const VmRecord& after);
/// Undoes that, as far as the ports can be had again.
void take_ports_back(Run& run, const VmRecord& before, const VmRecord& after) noexcept;

}  // namespace banger::vm

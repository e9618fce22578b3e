#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/vm/backend.hpp"

namespace banger::vm {

/// What a new VM asks of its backend.
struct BackendWish {
    std::string name;  ///< "auto", or a backend's
    bool require_hardware = false;
    bool kernel_has_pvh = true;
};

/// The ways to run VMs that this host has. A VM keeps the backend that it was created with: its
/// record names it.
class Backends {
  public:
    /// `no_kvm`: why nothing here is isolated by hardware, for people; empty where it is.
    explicit Backends(std::string no_kvm) : no_kvm_(std::move(no_kvm)) {}

    /// In the order in which "auto" tries them. `unfit`: why no VM starts by it here, for people;
    /// empty when VMs do.
    void add(std::unique_ptr<Backend> backend, std::string unfit = "");
    /// For a VM that exists: what runs is found and ended also where nothing new may start. Throws
    /// Error{unsupported} for a name that no backend has.
    Backend& of(const std::string& name) const;
    /// The same for a start. Throws Error{unavailable} where no VM starts by it.
    Backend& for_start(const std::string& name) const;
    /// For a new VM. Throws Error{invalid_argument} for an unknown name, Error{unavailable} when
    /// the one that is asked for is unfit, Error{unsupported} when hardware is required in vain.
    Backend& choose(const BackendWish& wish) const;
    /// By which of them a VMM that belongs to that directory lives; the first one's name when none
    /// does. For a VM whose record cannot be read. Blocks for milliseconds.
    std::string owner_blocking(const std::string& directory) const;

  private:
    struct Entry {
        std::unique_ptr<Backend> backend;
        std::string unfit;
    };
    const Entry* find(const std::string& name) const;
    std::string names() const;
    const Entry& pick(const BackendWish& wish) const;

    std::string no_kvm_;
    std::vector<Entry> entries_;
};

}  // namespace banger::vm

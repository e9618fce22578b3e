#include "daemon/vm/backends.hpp"

#include <algorithm>

#include "pipelines/io/error.hpp"

namespace banger::vm {
namespace {

void check_fit(const std::string& name, const std::string& unfit) {
    if (unfit.empty()) return;
    fail(Errc::unavailable, "backend '{}' cannot run vms here: {}", name, unfit);
}

}  // namespace

void Backends::add(std::unique_ptr<Backend> backend, std::string unfit) {
    entries_.push_back({std::move(backend), std::move(unfit)});
}

const Backends::Entry* Backends::find(const std::string& name) const {
    auto found = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return entry.backend->name() == name; });
    return found == entries_.end() ? nullptr : &*found;
}

std::string Backends::names() const {
    std::string list = "'auto'";
    for (const auto& entry : entries_)
        list += ", '" + entry.backend->name() + "'";
    return list;
}

Backend& Backends::of(const std::string& name) const {
    if (const auto* entry = find(name)) return *entry->backend;
    fail(Errc::unsupported, "this bangerd has no backend '{}'; it has {}", name, names());
}

Backend& Backends::for_start(const std::string& name) const {
    auto& backend = of(name);
    check_fit(name, find(name)->unfit);
    return backend;
}

const Backends::Entry& Backends::pick(const BackendWish& wish) const {
    if (wish.name != "auto") {
        const auto* entry = find(wish.name);
        if (entry) return *entry;
        fail(Errc::invalid_argument, "'{}' is no backend: use {}", wish.name, names());
    }
    for (const auto& entry : entries_) {
        // A kernel without PVH is one that was not made for this; that its drivers find devices
        // without a bus is not sure.
        bool suits = wish.kernel_has_pvh || entry.backend->uses_pci(false);
        if (entry.unfit.empty() && suits) return entry;
    }
    return entries_.back();
}

Backend& Backends::choose(const BackendWish& wish) const {
    const auto& entry = pick(wish);
    if (wish.require_hardware && !no_kvm_.empty()) {
        fail(Errc::unsupported, "kvm is required, but this host cannot: {}", no_kvm_);
    }
    check_fit(entry.backend->name(), entry.unfit);
    return *entry.backend;
}

std::string Backends::owner_blocking(const std::string& directory) const {
    for (const auto& entry : entries_) {
        if (entry.backend->find_orphan_blocking(directory)) return entry.backend->name();
    }
    return entries_.front().backend->name();
}

}  // namespace banger::vm

#include "daemon/vm_ref.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/nearest.hpp"

namespace banger {
namespace {

constexpr std::size_t kShortestPrefix = 4;

std::vector<const VmKey*> with_prefix(std::string_view prefix, const std::vector<VmKey>& vms) {
    std::vector<const VmKey*> found;
    if (prefix.size() < kShortestPrefix) return found;
    for (const auto& vm : vms) {
        if (vm.id.starts_with(prefix)) found.push_back(&vm);
    }
    return found;
}

}  // namespace

std::string resolve_vm_ref(std::string_view ref, const std::vector<VmKey>& vms) {
    std::vector<std::string> names;
    for (const auto& vm : vms) {
        if (vm.name == ref || vm.id == ref) return vm.id;
        names.push_back(vm.name);
    }
    auto found = with_prefix(ref, vms);
    if (found.size() == 1) return found.front()->id;
    if (found.size() > 1) {
        fail(Errc::invalid_argument,
             "'{}' begins the ids of {} vms ('{}', '{}', …); give more of it", ref, found.size(),
             found[0]->name, found[1]->name);
    }
    fail(Errc::not_found, "no vm named '{}'{}", ref, did_you_mean(ref, names));
}

}  // namespace banger

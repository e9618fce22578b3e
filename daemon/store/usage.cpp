#include "daemon/store/usage.hpp"

#include "daemon/store/store.hpp"

namespace banger::store {
namespace {

// The document is vm::VmRecord; this room may not know it, so the two keys are spelled here.
Task<std::vector<std::string>> vms_with(Store& store, std::string key, std::string value) {
    std::vector<std::string> names;
    for (const auto& record : co_await store.list(Table::vms)) {
        // What a damaged record refers to cannot be known: it may be this.
        const auto* document = record.document.if_object();
        const auto* member = document ? document->if_contains(key) : nullptr;
        const bool is_named = member && member->is_string() && member->get_string() == value;
        if (!document || is_named) names.push_back(record.name);
    }
    co_return names;
}

}  // namespace

Task<std::vector<std::string>> vms_using_image(Store& store, std::string image_id) {
    return vms_with(store, "image_id", std::move(image_id));
}

Task<std::vector<std::string>> vms_using_kernel(Store& store, std::string kernel) {
    return vms_with(store, "kernel", std::move(kernel));
}

}  // namespace banger::store

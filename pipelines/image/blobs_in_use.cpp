#include "pipelines/image/blobs_in_use.hpp"

namespace banger::image {

BlobsInUse::Hold::~Hold() {
    if (owner_) owner_->release(names_);
}

BlobsInUse::Hold BlobsInUse::hold(const std::vector<Digest>& digests) {
    std::vector<std::string> names;
    for (const auto& digest : digests)
        names.push_back(digest.to_string());
    const std::lock_guard lock(mutex_);
    for (const auto& name : names)
        ++holds_[name];
    return {*this, std::move(names)};
}

bool BlobsInUse::unless_used(const Digest& digest, const std::function<void()>& act) {
    const std::lock_guard lock(mutex_);
    if (holds_.contains(digest.to_string())) return false;
    act();
    return true;
}

void BlobsInUse::release(const std::vector<std::string>& names) {
    const std::lock_guard lock(mutex_);
    for (const auto& name : names) {
        const auto found = holds_.find(name);
        if (--found->second == 0) holds_.erase(found);
    }
}

}  // namespace banger::image

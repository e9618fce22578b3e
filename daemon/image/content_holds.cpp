#include "daemon/image/content_holds.hpp"

#include "pipelines/io/error.hpp"

namespace banger::image {

class ContentHolds::Dropping {
  public:
    Dropping(ContentHolds& owner, std::string id) : owner_(owner), id_(std::move(id)) {
        owner_.dropping_.insert(id_);
    }
    ~Dropping() {
        owner_.dropping_.erase(id_);
        owner_.changed_.notify();
    }
    Dropping(const Dropping&) = delete;
    Dropping& operator=(const Dropping&) = delete;

  private:
    ContentHolds& owner_;
    std::string id_;
};

Task<void> ContentHolds::Hold::take(std::string id, std::string digest) {
    release();
    while (owner_.dropping_.contains(id))
        co_await owner_.changed_.wait();
    auto& held = owner_.held_[id];
    if (held.count > 0 && held.digest != digest) fail_same_id(id, held.digest, digest);
    held.digest = std::move(digest);
    ++held.count;
    id_ = std::move(id);
}

void ContentHolds::Hold::release() {
    const auto found = owner_.held_.find(id_);
    if (found != owner_.held_.end() && --found->second.count == 0) owner_.held_.erase(found);
    id_.clear();
}

Task<void> ContentHolds::unless_held(std::string id, std::function<Task<void>()> drop) {
    while (dropping_.contains(id))
        co_await changed_.wait();
    if (held_.contains(id)) {
        put_off_.insert(id);
        co_return;
    }
    const Dropping dropping(*this, id);
    co_await drop();
}

std::vector<std::string> ContentHolds::take_put_off() {
    std::vector<std::string> ids;
    std::erase_if(put_off_, [&](const std::string& id) {
        if (held_.contains(id)) return false;
        ids.push_back(id);
        return true;
    });
    return ids;
}

void fail_same_id(const std::string& id, const std::string& there, const std::string& wanted) {
    fail(Errc::conflict,
         "{} would have the id {}, which an image of another digest has: delete that one first, {}",
         wanted, id, there);
}

}  // namespace banger::image

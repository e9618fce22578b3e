#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/image/content_holds.hpp"
#include "daemon/image/local_images.hpp"
#include "daemon/store/readable.hpp"
#include "daemon/store/store.hpp"

namespace banger::image {

/// The names of images and what they point to: a record for each name, a directory for each id. A
/// directory stays as long as a record, a VM or a hold needs it. On the loop's thread only.
class ImageRecords {
  public:
    using Hold = ContentHolds::Hold;

    explicit ImageRecords(const ImageServiceParts& parts);

    Task<store::Readable<api::ImageInfo>> read();
    Task<std::vector<api::ImageInfo>> list();
    Task<std::vector<std::string>> names();
    Task<std::optional<store::Record>> find_by_name(std::string name);
    Task<bool> shared_by_others(api::ImageInfo image);

    ContentHolds& holds() { return holds_; }
    /// An image of that id and digest whose file is there. The id is held from here on. Throws
    /// Error{conflict} where it is another digest's, whose beginning is the same.
    Task<std::optional<api::ImageInfo>> find_content(std::string id, std::string digest,
                                                     Hold& hold);
    /// Puts the name on the content, also for one who has just gone; what the name stood for before
    /// goes when nobody else uses it. Throws Error{conflict} when the content is not there.
    Task<api::ImageInfo> keep(api::ImageInfo info);
    /// Takes the name away, and the content when nobody else uses it.
    Task<void> forget(api::ImageInfo image);
    /// The directories that were to go while somebody held them.
    Task<void> drop_put_off();

  private:
    Task<void> record(api::ImageInfo info);
    Task<void> drop_content(std::string id);
    Task<void> drop_unused(std::string id);

    store::Store& store_;
    BlockingPool& pool_;
    std::string directory_;
    UsersOf users_;
    ContentHolds holds_;
};

}  // namespace banger::image

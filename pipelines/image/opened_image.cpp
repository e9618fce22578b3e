#include "pipelines/image/opened_image.hpp"

#include "pipelines/image/registry/open_archive.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

std::optional<std::string> friendly_reference(const std::string& text) {
    try {
        return friendly_name(parse_reference(text));
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

Task<void> OpenedImage::resolve() {
    if (image_) co_return;
    image_ = co_await resolve_image(*source_, reference());
}

std::string OpenedImage::suggested_name() const {
    if (auto name = friendly_reference(source_->own_name())) return *name;
    const auto* archive = std::get_if<ArchiveReference>(&reference_);
    if (archive && archive->is_standard_input()) return "archive-" + image_->digest.short_hex();
    return friendly_name(reference_);
}

Task<std::shared_ptr<OpenedImage>> open_image(PullContext context, std::string source,
                                              OpenOptions options) {
    auto reference = parse_source(source);
    std::unique_ptr<ImageSource> opened;
    if (const auto* archive = std::get_if<ArchiveReference>(&reference)) {
        opened =
            co_await open_archive(context, *archive, options.spool_dir, options.standard_input);
    } else {
        opened = open_source(context.executor, reference, std::move(options.registries),
                             std::move(options.credential));
    }
    co_return std::make_shared<OpenedImage>(std::move(reference), std::move(opened));
}

}  // namespace banger::image

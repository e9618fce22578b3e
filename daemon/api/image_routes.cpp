#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/image/image_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

/// 1 EiB: the daemon's own limits are tighter.
constexpr std::uint64_t kMaxQuerySize = 1ull << 60;

Task<boost::json::value> pull(image::ImageService& images, ImagePullRequest wanted,
                              ProgressSink progress) {
    co_return to_json(co_await images.pull(std::move(wanted), std::move(progress)));
}

Task<boost::json::value> pull_archive(image::ImageService& images, ImagePullRequest wanted,
                                      image::Archive archive, ProgressSink progress) {
    co_return to_json(
        co_await images.pull_archive(std::move(wanted), std::move(archive), std::move(progress)));
}

/// The request is in the query, the body is the archive.
Task<Response> receive_image(const Request& request, Services& services, ByteSource& source) {
    ImagePullRequest wanted{.reference = request.query_value("reference").value_or("-"),
                            .name = request.query_value("name"),
                            .size = request.query_number("size", kMaxQuerySize)};
    auto archive = co_await services.images.receive(wanted.reference, source);
    auto work = [&images = services.images, wanted, archive](ProgressSink progress) {
        return pull_archive(images, wanted, archive, std::move(progress));
    };
    co_return start_operation(request, services, "image.pull", wanted.reference, std::move(work));
}

}  // namespace

Task<Response> list_images(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.images.list()));
}

Task<Response> pull_image(const Request& request, Services& services, ByteSource* archive) {
    if (archive) co_return co_await receive_image(request, services, *archive);
    const auto wanted = parse_body<ImagePullRequest>(request);
    if (wanted.reference.empty()) {
        fail(Errc::invalid_argument, "reference: expected an image such as debian:bookworm");
    }
    auto work = [&images = services.images, wanted](ProgressSink progress) {
        return pull(images, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "image.pull", wanted.reference, std::move(work));
}

Task<Response> show_image(const Request& request, Services& services) {
    co_return json_response(to_json(co_await services.images.show(request.param("image"))));
}

Task<Response> delete_image(const Request& request, Services& services) {
    co_await services.images.remove(request.param("image"));
    co_return Response{.status = 204, .content_type = {}, .body = {}, .headers = {}};
}

Task<Response> get_image_cache(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.images.cache()));
}

Task<Response> prune_image_cache(const Request& request, Services& services) {
    const auto wanted = parse_body<ImageCachePruneRequest>(request);
    co_return json_response(to_json(co_await services.images.prune_cache(wanted)));
}

}  // namespace banger::api

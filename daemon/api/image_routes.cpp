#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/image/image_service.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

Task<boost::json::value> pull(image::ImageService& images, ImagePullRequest wanted,
                              ProgressSink progress) {
    co_return to_json(co_await images.pull(std::move(wanted), std::move(progress)));
}

}  // namespace

Task<Response> list_images(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.images.list()));
}

Task<Response> pull_image(const Request& request, Services& services) {
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

}  // namespace banger::api

#include "daemon/api/operation_response.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/image/image_service.hpp"
#include "daemon/image/kernel_service.hpp"
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

Task<boost::json::value> promote(image::ImageService& images, std::string image,
                                 ProgressSink progress) {
    co_return to_json(co_await images.promote(std::move(image), std::move(progress)));
}

/// The image first, which is a look at a file; a kernel that then turns out to be none takes it
/// back.
Task<boost::json::value> make_known(image::ImageService& images, kernel::KernelService& kernels,
                                    ImageRegisterRequest wanted, ProgressSink progress) {
    if (!wanted.kernel) co_return to_json(co_await images.register_image(std::move(wanted)));
    wanted.kernel_ref = wanted.name;
    const auto info = co_await images.register_image(wanted);
    std::exception_ptr failure;
    try {
        co_await kernels.import_files(wanted.name,
                                      {.kernel = *wanted.kernel,
                                       .initrd = wanted.initrd.value_or(""),
                                       .modules = wanted.modules.value_or("")},
                                      std::move(progress));
    } catch (const Error&) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await images.remove(wanted.name);
        std::rethrow_exception(failure);
    }
    co_return to_json(info);
}

void check(const ImageRegisterRequest& wanted) {
    if (wanted.name.empty()) fail(Errc::invalid_argument, "name: expected a name for the image");
    if (wanted.kernel && wanted.kernel_ref) {
        fail(Errc::invalid_argument, "give kernel_ref or the kernel's own files, not both");
    }
    if (!wanted.kernel && (wanted.initrd || wanted.modules)) {
        fail(Errc::invalid_argument, "initrd and modules go with a kernel");
    }
}

/// The request is in the query, the body is the archive.
Task<Response> receive_image(const Request& request, Services& services, ByteSource& source) {
    ImagePullRequest wanted{.reference = request.query_value("reference").value_or("-"),
                            .name = request.query_value("name"),
                            .size = request.query_number("size", kMaxQuerySize),
                            .registry_auth = {},
                            .kernel_ref = request.query_value("kernel_ref")};
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

Task<Response> register_image(const Request& request, Services& services) {
    const auto wanted = parse_body<ImageRegisterRequest>(request);
    check(wanted);
    auto work = [&services, wanted](ProgressSink progress) {
        return make_known(services.images, services.kernels, wanted, std::move(progress));
    };
    co_return start_operation(request, services, "image.register", wanted.name, std::move(work));
}

Task<Response> promote_image(const Request& request, Services& services) {
    const auto image = co_await services.images.show(request.param("image"));
    auto work = [&images = services.images, name = image.name](ProgressSink progress) {
        return promote(images, name, std::move(progress));
    };
    co_return start_operation(request, services, "image.promote", image.name, std::move(work));
}

Task<Response> get_image_cache(const Request&, Services& services) {
    co_return json_response(to_json(co_await services.images.cache()));
}

Task<Response> prune_image_cache(const Request& request, Services& services) {
    const auto wanted = parse_body<ImageCachePruneRequest>(request);
    co_return json_response(to_json(co_await services.images.prune_cache(wanted)));
}

}  // namespace banger::api

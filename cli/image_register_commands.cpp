#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/options.hpp"

namespace banger::cli {
namespace {

void print_image(const Session& session, const boost::json::value& result) {
    if (session.json) return print_json(result);
    const auto image = from_json<api::ImageInfo>(result);
    print(fmt::format("{}  {}  {} used of {}\n", image.name, image.rootfs_path,
                      format_bytes(image.used_bytes), format_bytes(image.size)));
}

Task<int> register_image(Session& session, api::ImageRegisterRequest request) {
    request.rootfs = absolute_path(request.rootfs);
    for (auto* path : {&request.kernel, &request.initrd, &request.modules}) {
        if (*path) *path = absolute_path(**path);
    }
    print_image(session,
                co_await run_operation(session, "/v1/image-registrations", to_json(request)));
    co_return 0;
}

Task<int> promote(Session& session, std::string image) {
    const auto target = "/v1/images/" + encode_segment(image) + "/promote";
    print_image(session, co_await run_operation(session, target, boost::json::object{}));
    co_return 0;
}

}  // namespace

void add_image_register_commands(CLI::App& image, Invocation& invocation) {
    auto request = std::make_shared<api::ImageRegisterRequest>();
    auto* command = add_command(image, "register",
                                "make an ext4 file known as an image, where it lies", invocation);
    command->add_option("--name", request->name, "name to give it")->required();
    command->add_option("--rootfs", request->rootfs, "file with an ext4 file system")->required();
    auto* ref = command->add_option("--kernel-ref", request->kernel_ref, "name of the kernel");
    auto* kernel = command->add_option("--kernel", request->kernel,
                                       "a kernel of its own, imported under the image's name");
    kernel->excludes(ref);
    command->add_option("--initrd", request->initrd)->needs(kernel);
    command->add_option("--modules", request->modules, "directory")->needs(kernel);
    command->callback([request, &invocation] {
        invocation.action = [request](Session& session) {
            return register_image(session, *request);
        };
    });
    auto name = std::make_shared<std::string>();
    auto* promote_command = add_command(
        image, "promote", "copy a registered image to where pulled ones are", invocation);
    promote_command->add_option("image", *name, "name or id")->required();
    promote_command->callback([name, &invocation] {
        invocation.action = [name](Session& session) { return promote(session, *name); };
    });
}

}  // namespace banger::cli

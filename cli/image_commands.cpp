#include <memory>

#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/operation_wait.hpp"
#include "cli/options.hpp"
#include "cli/registry_login.hpp"
#include "cli/table.hpp"

namespace banger::cli {
namespace {

std::string image_target(const std::string& image) {
    return "/v1/images/" + encode_segment(image);
}

/// Where the time went; on standard error like all that is not the result.
void say_profile(const std::vector<api::ProgressEvent>& profile) {
    if (profile.empty()) return say("nothing was pulled: the image is here already");
    Table table({"STAGE", "BUSY", "WAITING", "BYTES", "RATE"});
    for (const auto& stage : profile) {
        const auto seconds = [](std::uint64_t ms) {
            return fmt::format("{}.{:03} s", ms / 1000, ms % 1000);
        };
        table.add({stage.item, seconds(stage.busy_ms), seconds(stage.waiting_ms),
                   stage.done > 0 ? format_bytes(stage.done) : "",
                   stage.rate > 0 ? format_bytes(stage.rate) + "/s" : ""});
    }
    const auto text = table.render();
    std::fwrite(text.data(), 1, text.size(), stderr);
}

struct PullArguments {
    api::ImagePullRequest request;
    bool profile = false;
};

/// An archive's body leaves no room for the request.
std::string upload_target(const api::ImagePullRequest& request) {
    auto target = "/v1/images?reference=" + encode_segment(request.reference);
    if (request.name) target += "&name=" + encode_segment(*request.name);
    if (request.size) target += "&size=" + std::to_string(*request.size);
    if (request.kernel_ref) target += "&kernel_ref=" + encode_segment(*request.kernel_ref);
    return target;
}

Task<int> pull(Session& session, PullArguments arguments) {
    auto& request = arguments.request;
    request.reference = absolute_reference(request.reference);
    request.registry_auth = co_await find_registry_auth(request.reference);
    std::vector<api::ProgressEvent> profile;
    const auto result =
        means_standard_input(request.reference)
            ? co_await run_upload(session, upload_target(request), &profile)
            : co_await run_operation(session, "/v1/images", to_json(request), &profile);
    if (arguments.profile) say_profile(profile);
    const auto image = from_json<api::ImageInfo>(result);
    for (const auto& warning : image.warnings)
        say("warning: " + warning);
    if (session.json) {
        print_json(result);
    } else {
        print(fmt::format("{}  {}  {} used of {}\n", image.name, image.digest,
                          format_bytes(image.used_bytes), format_bytes(image.size)));
    }
    co_return 0;
}

Task<int> list(Session& session, bool available) {
    if (available) co_return co_await list_available(session, "images");
    const auto answer = co_await session.client.get("/v1/images");
    if (session.json) {
        print_json(answer);
        co_return 0;
    }
    Table table({"NAME", "DIGEST", "ARCH", "LAYERS", "USED", "SIZE", "CREATED", "REFERENCE"});
    for (const auto& image : from_json<std::vector<api::ImageInfo>>(answer)) {
        table.add({image.name, image.digest.substr(0, 19), image.arch, std::to_string(image.layers),
                   format_bytes(image.used_bytes), format_bytes(image.size),
                   format_time(image.created_at), image.reference});
    }
    print(table.render());
    co_return 0;
}

Task<int> show(Session& session, std::string image) {
    const auto answer = co_await session.client.get(image_target(image));
    session.json ? print_json(answer) : print(format_details(answer));
    co_return 0;
}

Task<int> remove(Session& session, std::string image) {
    co_await run_removal(session, image_target(image));
    const boost::json::object result{{"image", image}, {"result", "deleted"}};
    session.json ? print_json(result) : print("deleted " + image + "\n");
    co_return 0;
}

void add_pull(CLI::App& image, Invocation& invocation) {
    auto arguments = std::make_shared<PullArguments>();
    auto& request = arguments->request;
    auto* command = add_command(image, "pull", "make an image of a container image", invocation);
    command
        ->add_option(
            "reference", request.reference,
            "a catalog's name, a registry reference, oci:PATH[:TAG], oci-archive:PATH[:TAG], "
            "docker-archive:PATH[:IMAGE], or - for an archive on standard input")
        ->required();
    command->add_option("--name", request.name, "local name; default: from the reference");
    command->add_option("--kernel-ref", request.kernel_ref,
                        "the kernel it boots; default: what the catalog says");
    add_size_option(*command, "--size", request.size, "size of the file system");
    command->add_flag("--profile", arguments->profile, "say how long each stage worked and waited");
    command->callback([arguments, &invocation] {
        invocation.action = [arguments](Session& session) { return pull(session, *arguments); };
    });
}

void add_list(CLI::App& image, Invocation& invocation) {
    auto available = std::make_shared<bool>(false);
    auto* command = add_command(image, "list", "list images", invocation);
    command->add_flag("--available", *available, "those that catalogs have");
    command->alias("ls")->callback([available, &invocation] {
        invocation.action = [available](Session& session) { return list(session, *available); };
    });
}

/// A command about one image.
void add_one(CLI::App& parent, const std::string& name, const std::string& help,
             Task<int> (*act)(Session&, std::string), Invocation& invocation) {
    auto image = std::make_shared<std::string>();
    auto* command = add_command(parent, name, help, invocation);
    command->add_option("image", *image, "name, id or reference")->required();
    if (name == "delete") command->alias("rm");
    command->callback([image, act, &invocation] {
        invocation.action = [image, act](Session& session) { return act(session, *image); };
    });
}

}  // namespace

void add_image_commands(CLI::App& app, Invocation& invocation) {
    auto* image = app.add_subcommand("image", "images: what VMs start from");
    image->require_subcommand(1);
    add_pull(*image, invocation);
    add_list(*image, invocation);
    add_one(*image, "show", "show all about an image", show, invocation);
    add_one(*image, "delete", "delete an image that no VM uses", remove, invocation);
    add_image_register_commands(*image, invocation);
    add_image_cache_commands(*image, invocation);
}

}  // namespace banger::cli

#include "daemon/api/event_stream.hpp"
#include "daemon/api/router.hpp"
#include "daemon/api/routes.hpp"

namespace banger::api {

std::span<const Route> all_routes() {
    static constexpr Route kRoutes[] = {
        {"GET", "/v1/version", get_version},
        {"GET", "/v1/daemon", get_daemon},
        {"POST", "/v1/daemon/stop", stop_daemon},
        {"GET", "/v1/doctor", get_doctor},
        {"GET", "/metrics", get_metrics},

        {"GET", "/v1/images", list_images},
        {"POST", "/v1/images", pull_image},
        {"GET", "/v1/images/{image}", show_image},
        {"DELETE", "/v1/images/{image}", delete_image},

        {"POST", "/v1/images/{image}/promote", promote_image},
        {"POST", "/v1/image-registrations", register_image},

        {"GET", "/v1/catalogs", list_catalogs},
        {"POST", "/v1/catalogs", add_catalog},
        {"POST", "/v1/catalogs/refresh", refresh_catalogs},
        {"DELETE", "/v1/catalogs/{catalog}", delete_catalog},
        {"GET", "/v1/catalog-entries", list_catalog_entries},

        {"POST", "/v1/registries/check", check_registry},

        {"GET", "/v1/image-cache", get_image_cache},
        {"POST", "/v1/image-cache/prune", prune_image_cache},

        {"GET", "/v1/kernels", list_kernels},
        {"POST", "/v1/kernels", import_kernel},
        {"POST", "/v1/kernel-pulls", pull_kernel},
        {"GET", "/v1/kernels/{kernel}", show_kernel},
        {"DELETE", "/v1/kernels/{kernel}", delete_kernel},

        {"GET", "/v1/vms", list_vms},
        {"POST", "/v1/vms", create_vm},
        {"GET", "/v1/vms/{vm}", show_vm},
        {"DELETE", "/v1/vms/{vm}", delete_vm},
        {"POST", "/v1/vms/{vm}/start", start_vm},
        {"POST", "/v1/vms/{vm}/stop", stop_vm},
        {"PATCH", "/v1/vms/{vm}", change_vm},
        {"POST", "/v1/vms/{vm}/restart", restart_vm},
        {"POST", "/v1/vms/{vm}/kill", kill_vm},
        {"GET", "/v1/vms/{vm}/stats", get_vm_stats},
        {"GET", "/v1/vms/{vm}/health", get_vm_health},
        {"POST", "/v1/vms/{vm}/pause", pause_vm},
        {"POST", "/v1/vms/{vm}/resume", resume_vm},
        {"GET", "/v1/vms/{vm}/logs", get_vm_logs},
        {"GET", "/v1/vms/{vm}/ports", list_vm_ports},
        {"PUT", "/v1/vms/{vm}/ports", publish_vm_port},
        {"DELETE", "/v1/vms/{vm}/ports", unpublish_vm_port},
        {"PUT", "/v1/vms/{vm}/ports/all", publish_all_vm_ports},
        {"GET", "/v1/vms/{vm}/connect", connect_vm_port},
        {"GET", "/v1/vms/{vm}/exec", exec_by_websocket},
        {"POST", "/v1/vms/{vm}/exec", exec_by_lines},

        {"GET", "/v1/operations", list_operations},
        {"GET", "/v1/operations/{id}", show_operation},
        {"DELETE", "/v1/operations/{id}", cancel_operation},
        {"GET", "/v1/operations/{id}/events", stream_events},
    };
    return kRoutes;
}

}  // namespace banger::api

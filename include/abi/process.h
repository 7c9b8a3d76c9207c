/*
 * include/abi/process.h: the structures that a process and the kernel share, with NT's 32-bit
 * layout: TEB, PEB, process parameters, CONTEXT, EXCEPTION_RECORD, and the records of the system
 * calls.
 *
 * Fixed-size fields only: an address in a process is a uint32_t, so the same text serves the
 * kernel, ntdll and programs after <windows.h> (all names are prefixed nt_ or NT_).
 */
#ifndef ABI_PROCESS_H
#define ABI_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#define NT_OFFSET(type, member, offset)                                                            \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define NT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

struct nt_unicode_string {
    uint16_t length; /* bytes, without a closing zero */
    uint16_t maximum_length;
    uint32_t buffer;
};
NT_SIZE(nt_unicode_string, 8);

struct nt_object_attributes {
    uint32_t length; /* 24 */
    uint32_t root_directory;
    uint32_t object_name; /* address of a nt_unicode_string */
    uint32_t attributes;  /* OBJ_ */
    uint32_t security_descriptor;
    uint32_t security_quality_of_service;
};
NT_SIZE(nt_object_attributes, 24);

struct nt_client_id {
    uint32_t process;
    uint32_t thread;
};
NT_SIZE(nt_client_id, 8);

struct nt_io_status_block {
    uint32_t status; /* and the pointer that shares its place */
    uint32_t information;
};
NT_SIZE(nt_io_status_block, 8);

struct nt_list_entry {
    uint32_t flink;
    uint32_t blink;
};

/* NT_TIB and the rest of the TEB. FS:0 in user mode. */
struct nt_teb {
    uint32_t exception_list; /* first EXCEPTION_REGISTRATION_RECORD, or 0xFFFFFFFF */
    uint32_t stack_base;     /* highest address */
    uint32_t stack_limit;    /* lowest committed address; the kernel moves it as the stack grows */
    uint32_t sub_system_tib;
    uint32_t fiber_data;
    uint32_t arbitrary_user_pointer;
    uint32_t self;
    uint32_t environment_pointer;
    struct nt_client_id client_id;
    uint32_t active_rpc_handle;
    uint32_t thread_local_storage_pointer;
    uint32_t peb;
    uint32_t last_error_value;
    uint32_t count_of_owned_critical_sections;
    uint32_t csr_client_thread;
    uint32_t win32_thread_info;
    uint32_t user32_reserved[26];
    uint32_t user_reserved[5];
    uint32_t wow32_reserved;
    uint32_t current_locale;
    uint32_t fp_software_status_register;
    uint32_t system_reserved[54];
    int32_t exception_code;
    uint8_t reserved_1a8[0xBF4 - 0x1A8];
    uint32_t last_status_value;
    struct nt_unicode_string static_unicode_string;
    uint16_t static_unicode_buffer[261];
    uint16_t padding;
    uint32_t deallocation_stack; /* lowest address of the stack's allocation */
    uint32_t tls_slots[64];
    struct nt_list_entry tls_links;
    uint32_t vdm;
    uint32_t reserved_for_nt_rpc;
    uint32_t dbg_ss_reserved[2];
    uint32_t hard_errors_are_disabled;
    uint8_t reserved_f2c[0xF94 - 0xF2C];
    uint32_t tls_expansion_slots; /* at 0xF94 */
    uint8_t reserved_f98[0x1000 - 0xF98];
};
NT_OFFSET(nt_teb, self, 0x18);
NT_OFFSET(nt_teb, client_id, 0x20);
NT_OFFSET(nt_teb, thread_local_storage_pointer, 0x2C);
NT_OFFSET(nt_teb, peb, 0x30);
NT_OFFSET(nt_teb, last_error_value, 0x34);
NT_OFFSET(nt_teb, current_locale, 0xC4);
NT_OFFSET(nt_teb, exception_code, 0x1A4);
NT_OFFSET(nt_teb, last_status_value, 0xBF4);
NT_OFFSET(nt_teb, static_unicode_string, 0xBF8);
NT_OFFSET(nt_teb, static_unicode_buffer, 0xC00);
NT_OFFSET(nt_teb, deallocation_stack, 0xE0C);
NT_OFFSET(nt_teb, tls_slots, 0xE10);
NT_OFFSET(nt_teb, tls_links, 0xF10);
NT_OFFSET(nt_teb, tls_expansion_slots, 0xF94);
NT_SIZE(nt_teb, 0x1000);

struct nt_peb {
    uint8_t inherited_address_space;
    uint8_t read_image_file_exec_options;
    uint8_t being_debugged;
    uint8_t bit_field;
    uint32_t mutant;
    uint32_t image_base_address;
    uint32_t ldr; /* nt_peb_ldr_data, made by ntdll */
    uint32_t process_parameters;
    uint32_t sub_system_data;
    uint32_t process_heap;
    uint32_t fast_peb_lock;
    uint32_t atl_thunk_slist;
    uint32_t ifeo_key;
    uint32_t cross_process_flags;
    uint32_t kernel_callback_table;
    uint32_t system_reserved;
    uint32_t atl_thunk_slist_32;
    uint32_t api_set_map;
    uint32_t tls_expansion_counter;
    uint32_t tls_bitmap;
    uint32_t tls_bitmap_bits[2];
    uint32_t read_only_shared_memory_base;
    uint32_t shared_data;
    uint32_t read_only_static_server_data;
    uint32_t ansi_code_page_data;
    uint32_t oem_code_page_data;
    uint32_t unicode_case_table_data;
    uint32_t number_of_processors;
    uint32_t nt_global_flag;
    uint32_t padding_6c;
    int64_t critical_section_timeout;
    uint32_t heap_segment_reserve;
    uint32_t heap_segment_commit;
    uint32_t heap_de_commit_total_free_threshold;
    uint32_t heap_de_commit_free_block_threshold;
    uint32_t number_of_heaps;
    uint32_t maximum_number_of_heaps;
    uint32_t process_heaps;
    uint32_t gdi_shared_handle_table;
    uint32_t process_starter_helper;
    uint32_t gdi_dc_attribute_list;
    uint32_t loader_lock;
    uint32_t os_major_version;
    uint32_t os_minor_version;
    uint16_t os_build_number;
    uint16_t os_csd_version;
    uint32_t os_platform_id;
    uint32_t image_subsystem;
    uint32_t image_subsystem_major_version;
    uint32_t image_subsystem_minor_version;
    uint32_t active_process_affinity_mask;
    uint32_t gdi_handle_buffer[34];
    uint32_t post_process_init_routine;
    uint32_t tls_expansion_bitmap;
    uint32_t tls_expansion_bitmap_bits[32];
    uint32_t session_id;
    uint8_t reserved_1d8[0x480 - 0x1D8];
};
NT_OFFSET(nt_peb, being_debugged, 0x02);
NT_OFFSET(nt_peb, image_base_address, 0x08);
NT_OFFSET(nt_peb, ldr, 0x0C);
NT_OFFSET(nt_peb, process_parameters, 0x10);
NT_OFFSET(nt_peb, process_heap, 0x18);
NT_OFFSET(nt_peb, fast_peb_lock, 0x1C);
NT_OFFSET(nt_peb, tls_bitmap, 0x40);
NT_OFFSET(nt_peb, tls_bitmap_bits, 0x44);
NT_OFFSET(nt_peb, number_of_processors, 0x64);
NT_OFFSET(nt_peb, nt_global_flag, 0x68);
NT_OFFSET(nt_peb, critical_section_timeout, 0x70);
NT_OFFSET(nt_peb, number_of_heaps, 0x88);
NT_OFFSET(nt_peb, process_heaps, 0x90);
NT_OFFSET(nt_peb, loader_lock, 0xA0);
NT_OFFSET(nt_peb, os_major_version, 0xA4);
NT_OFFSET(nt_peb, os_build_number, 0xAC);
NT_OFFSET(nt_peb, os_platform_id, 0xB0);
NT_OFFSET(nt_peb, image_subsystem, 0xB4);
NT_OFFSET(nt_peb, gdi_handle_buffer, 0xC4);
NT_OFFSET(nt_peb, tls_expansion_bitmap, 0x150);
NT_OFFSET(nt_peb, session_id, 0x1D4);

/* What PEB.Ldr points at; the loader in ntdll makes it. */
struct nt_peb_ldr_data {
    uint32_t length;
    uint32_t initialized;
    uint32_t ss_handle;
    struct nt_list_entry in_load_order;
    struct nt_list_entry in_memory_order;
    struct nt_list_entry in_initialization_order;
};
NT_OFFSET(nt_peb_ldr_data, in_load_order, 0x0C);
NT_SIZE(nt_peb_ldr_data, 0x24);

struct nt_ldr_data_table_entry {
    struct nt_list_entry in_load_order;
    struct nt_list_entry in_memory_order;
    struct nt_list_entry in_initialization_order;
    uint32_t dll_base;
    uint32_t entry_point;
    uint32_t size_of_image;
    struct nt_unicode_string full_dll_name;
    struct nt_unicode_string base_dll_name;
    uint32_t flags;
    uint16_t load_count;
    uint16_t tls_index;
    struct nt_list_entry hash_links;
    uint32_t time_date_stamp;
    uint32_t entry_point_activation_context;
    uint32_t patch_information;
};
NT_OFFSET(nt_ldr_data_table_entry, dll_base, 0x18);
NT_OFFSET(nt_ldr_data_table_entry, full_dll_name, 0x24);
NT_OFFSET(nt_ldr_data_table_entry, flags, 0x34);
NT_OFFSET(nt_ldr_data_table_entry, time_date_stamp, 0x44);

/* RTL_USER_PROCESS_PARAMETERS; always normalized (absolute pointers). */
struct nt_process_parameters {
    uint32_t maximum_length; /* of the block: this structure and the strings after it */
    uint32_t length;
    uint32_t flags; /* NT_PARAMETERS_NORMALIZED */
    uint32_t debug_flags;
    uint32_t console_handle;
    uint32_t console_flags;
    uint32_t standard_input;
    uint32_t standard_output;
    uint32_t standard_error;
    struct nt_unicode_string current_directory; /* Win32 path with a closing backslash */
    uint32_t current_directory_handle;
    struct nt_unicode_string dll_path;
    struct nt_unicode_string image_path_name; /* Win32 path */
    struct nt_unicode_string command_line;
    uint32_t environment; /* UTF-16 "NAME=value", each closed by zero, one more zero at the end */
    uint32_t starting_x, starting_y, count_x, count_y;
    uint32_t count_chars_x, count_chars_y;
    uint32_t fill_attribute;
    uint32_t window_flags; /* STARTUPINFO.dwFlags */
    uint32_t show_window_flags;
    struct nt_unicode_string window_title;
    struct nt_unicode_string desktop_info;
    struct nt_unicode_string shell_info;
    struct nt_unicode_string runtime_data; /* STARTUPINFO.lpReserved2 */
    uint8_t current_directories[0x200];
    uint32_t environment_size; /* bytes */
    uint32_t environment_version;
};
NT_OFFSET(nt_process_parameters, flags, 0x08);
NT_OFFSET(nt_process_parameters, console_handle, 0x10);
NT_OFFSET(nt_process_parameters, standard_input, 0x18);
NT_OFFSET(nt_process_parameters, standard_output, 0x1C);
NT_OFFSET(nt_process_parameters, standard_error, 0x20);
NT_OFFSET(nt_process_parameters, current_directory, 0x24);
NT_OFFSET(nt_process_parameters, dll_path, 0x30);
NT_OFFSET(nt_process_parameters, image_path_name, 0x38);
NT_OFFSET(nt_process_parameters, command_line, 0x40);
NT_OFFSET(nt_process_parameters, environment, 0x48);
NT_OFFSET(nt_process_parameters, window_flags, 0x68);
NT_OFFSET(nt_process_parameters, window_title, 0x70);
NT_OFFSET(nt_process_parameters, runtime_data, 0x88);
NT_OFFSET(nt_process_parameters, environment_size, 0x290);
#define NT_PARAMETERS_NORMALIZED 1u

/* x86 CONTEXT. */
struct nt_float_save {
    uint32_t control_word;
    uint32_t status_word;
    uint32_t tag_word;
    uint32_t error_offset;
    uint32_t error_selector;
    uint32_t data_offset;
    uint32_t data_selector;
    uint8_t register_area[80];
    uint32_t cr0_npx_state;
};
NT_SIZE(nt_float_save, 0x70);

struct nt_context {
    uint32_t context_flags;
    uint32_t dr0, dr1, dr2, dr3, dr6, dr7;
    struct nt_float_save float_save;
    uint32_t seg_gs, seg_fs, seg_es, seg_ds;
    uint32_t edi, esi, ebx, edx, ecx, eax;
    uint32_t ebp, eip, seg_cs, eflags, esp, seg_ss;
    uint8_t extended_registers[512]; /* FXSAVE image */
};
NT_OFFSET(nt_context, float_save, 0x1C);
NT_OFFSET(nt_context, seg_gs, 0x8C);
NT_OFFSET(nt_context, edi, 0x9C);
NT_OFFSET(nt_context, ebp, 0xB4);
NT_OFFSET(nt_context, eip, 0xB8);
NT_OFFSET(nt_context, esp, 0xC4);
NT_OFFSET(nt_context, extended_registers, 0xCC);
NT_SIZE(nt_context, 0x2CC);

#define NT_CONTEXT_I386     0x00010000u
#define NT_CONTEXT_CONTROL  0x00010001u /* SS:ESP, CS:EIP, EFLAGS, EBP */
#define NT_CONTEXT_INTEGER  0x00010002u
#define NT_CONTEXT_SEGMENTS 0x00010004u
#define NT_CONTEXT_FLOAT    0x00010008u
#define NT_CONTEXT_DEBUG    0x00010010u
#define NT_CONTEXT_EXTENDED 0x00010020u
#define NT_CONTEXT_FULL     0x00010007u
#define NT_CONTEXT_ALL      0x0001003Fu

#define NT_EXCEPTION_PARAMETERS 15
struct nt_exception_record {
    uint32_t exception_code;
    uint32_t exception_flags;
    uint32_t exception_record; /* address of a nested one, or 0 */
    uint32_t exception_address;
    uint32_t number_parameters;
    uint32_t exception_information[NT_EXCEPTION_PARAMETERS];
};
NT_SIZE(nt_exception_record, 0x50);
#define NT_EXCEPTION_NONCONTINUABLE 1u

/* NtCreateUserProcess, NtCreateThreadEx. */
struct nt_attribute {
    uint32_t attribute; /* NT_ATTRIBUTE_ */
    uint32_t size;      /* bytes at VALUE */
    uint32_t value;     /* address */
    uint32_t return_length;
};
struct nt_attribute_list {
    uint32_t total_length; /* bytes, this field included */
    struct nt_attribute attributes[1];
};
NT_SIZE(nt_attribute, 16);
NT_SIZE(nt_attribute_list, 20);
#define NT_ATTRIBUTE_CLIENT_ID     0x00010003u /* out: nt_client_id */
#define NT_ATTRIBUTE_TEB_ADDRESS   0x00010004u /* out: the new thread's TEB */
#define NT_ATTRIBUTE_IMAGE_NAME    0x00020005u /* in: UTF-16 NT path, not closed */
#define NT_PROCESS_INHERIT_HANDLES 0x4u
#define NT_THREAD_CREATE_SUSPENDED 0x1u

/*
 * PS_CREATE_INFO: Size in, State out. When the image is refused (State 3 or 2), problem holds
 * words that say what is wrong with the file, closed by zero.
 */
struct nt_create_info {
    uint32_t size; /* of this structure */
    uint32_t state;
    char problem[64];
};
NT_SIZE(nt_create_info, 0x48);
#define NT_CREATE_FAIL_ON_FILE_OPEN 1u
#define NT_CREATE_FAIL_ON_SECTION   2u
#define NT_CREATE_FAIL_EXE_FORMAT   3u
#define NT_CREATE_SUCCESS           6u

/* NtQuerySection: SectionBasicInformation (0), SectionImageInformation (1). */
struct nt_section_basic_information {
    uint32_t base_address;
    uint32_t attributes; /* SEC_ */
    int64_t size;
};
NT_SIZE(nt_section_basic_information, 16);

struct nt_section_image_information {
    uint32_t transfer_address;
    uint32_t zero_bits;
    uint32_t maximum_stack_size;
    uint32_t committed_stack_size;
    uint32_t sub_system_type;
    uint16_t sub_system_minor_version;
    uint16_t sub_system_major_version;
    uint32_t gp_value;
    uint16_t image_characteristics;
    uint16_t dll_characteristics;
    uint16_t machine;
    uint8_t image_contains_code;
    uint8_t image_flags;
    uint32_t loader_flags;
    uint32_t image_file_size;
    uint32_t checksum;
};
NT_SIZE(nt_section_image_information, 48);

/* NtQueryVirtualMemory: MemoryBasicInformation. */
#define NT_MEMORY_BASIC_INFORMATION       0u
#define NT_MEMORY_WORKING_SET             1u
#define NT_MEMORY_MAPPED_NAME             2u
#define NT_MEMORY_WORKING_SET_INFORMATION 4u
struct nt_memory_basic_information {
    uint32_t base_address;
    uint32_t allocation_base;
    uint32_t allocation_protect;
    uint32_t region_size;
    uint32_t state;
    uint32_t protect;
    uint32_t type;
};
NT_SIZE(nt_memory_basic_information, 28);

/* MemoryWorkingSetList: the process's valid pages, one word each, after the count. */
#define NT_WORKING_SET_PROTECTION  0x0000001Fu
#define NT_WORKING_SET_NOCACHE     0x00000008u
#define NT_WORKING_SET_SHARE_SHIFT 5u
#define NT_WORKING_SET_SHARE_MAX   7u
#define NT_WORKING_SET_SHARED      0x00000100u
struct nt_memory_working_set {
    uint32_t number_of_pages;
    uint32_t pages[1]; /* address, NT_WORKING_SET_ bits below */
};

/* MemoryWorkingSetExInformation: the caller gives the addresses. */
#define NT_WORKING_SET_EX_VALID            0x00000001u
#define NT_WORKING_SET_EX_SHARE_SHIFT      1u
#define NT_WORKING_SET_EX_PROTECTION_SHIFT 4u
#define NT_WORKING_SET_EX_PROTECTION_MASK  0x7FFu
#define NT_WORKING_SET_EX_SHARED           0x00008000u
struct nt_memory_working_set_ex {
    uint32_t virtual_address;
    uint32_t virtual_attributes;
};
NT_SIZE(nt_memory_working_set_ex, 8);

/* NtLockVirtualMemory: into the working set; or for good, which takes a privilege nobody has. */
#define NT_MAP_PROCESS 1u
#define NT_MAP_SYSTEM  2u

/* NtQueryInformationProcess. */
#define NT_PROCESS_BASIC_INFORMATION 0u
#define NT_PROCESS_QUOTA_LIMITS      1u
#define NT_PROCESS_IO_COUNTERS       2u
#define NT_PROCESS_VM_COUNTERS       3u
#define NT_PROCESS_TIMES             4u
#define NT_PROCESS_PRIORITY_CLASS    18u
#define NT_PROCESS_HANDLE_COUNT      20u
#define NT_PROCESS_SESSION           24u
#define NT_PROCESS_WOW64             26u
#define NT_PROCESS_IMAGE_FILE_NAME   27u
#define NT_PROCESS_DEBUG_PORT        7u
#define NT_PROCESS_IMAGE_NAME_WIN32  43u
struct nt_process_basic_information {
    int32_t exit_status; /* 0x103 (STATUS_PENDING) while it runs */
    uint32_t peb_base_address;
    uint32_t affinity_mask;
    int32_t base_priority;
    uint32_t unique_process_id;
    uint32_t inherited_from_unique_process_id;
};
NT_SIZE(nt_process_basic_information, 24);

/* ProcessQuotaLimits: the limits of the working set; the others are not limited. */
#define NT_QUOTA_HARD_MINIMUM_ENABLE  0x1u
#define NT_QUOTA_HARD_MINIMUM_DISABLE 0x2u
#define NT_QUOTA_HARD_MAXIMUM_ENABLE  0x4u
#define NT_QUOTA_HARD_MAXIMUM_DISABLE 0x8u
#define NT_QUOTA_UNLIMITED            0xFFFFFFFFu
struct nt_quota_limits {
    uint32_t paged_pool_limit;
    uint32_t non_paged_pool_limit;
    uint32_t minimum_working_set_size; /* both 0xFFFFFFFF: empty the working set */
    uint32_t maximum_working_set_size;
    uint32_t pagefile_limit;
    uint32_t padding;
    int64_t time_limit;
};
NT_SIZE(nt_quota_limits, 32);
struct nt_quota_limits_ex { /* the same class, told by the length */
    struct nt_quota_limits base;
    uint32_t working_set_limit;
    uint32_t reserved[3];
    uint32_t flags; /* NT_QUOTA_ */
    uint32_t cpu_rate_limit;
};
NT_SIZE(nt_quota_limits_ex, 56);

struct nt_kernel_user_times {
    int64_t create_time;
    int64_t exit_time;
    int64_t kernel_time;
    int64_t user_time;
};
NT_SIZE(nt_kernel_user_times, 32);

/* What NtReadFile and NtWriteFile moved. */
struct nt_io_counters {
    uint64_t read_operations, write_operations, other_operations;
    uint64_t read_bytes, write_bytes, other_bytes;
};
NT_SIZE(nt_io_counters, 48);

struct nt_vm_counters {
    uint32_t peak_virtual_size;
    uint32_t virtual_size;
    uint32_t page_fault_count;
    uint32_t peak_working_set_size;
    uint32_t working_set_size;
    uint32_t quota_peak_paged_pool_usage;
    uint32_t quota_paged_pool_usage;
    uint32_t quota_peak_non_paged_pool_usage;
    uint32_t quota_non_paged_pool_usage;
    uint32_t pagefile_usage;
    uint32_t peak_pagefile_usage;
};
NT_SIZE(nt_vm_counters, 44);
struct nt_vm_counters_ex { /* the same class, told by the length */
    struct nt_vm_counters base;
    uint32_t private_usage;
};
NT_SIZE(nt_vm_counters_ex, 48);

struct nt_priority_class {
    uint8_t foreground;
    uint8_t priority_class; /* 1 idle, 2 normal, 3 high, 4 realtime, 5 below, 6 above normal */
};

/* NtQueryInformationThread, NtSetInformationThread. */
#define NT_THREAD_BASIC_INFORMATION 0u
#define NT_THREAD_TIMES             1u
#define NT_THREAD_PRIORITY          2u
#define NT_THREAD_BASE_PRIORITY     3u
#define NT_THREAD_AFFINITY_MASK     4u
#define NT_THREAD_WIN32_START       9u
#define NT_THREAD_AM_I_LAST         12u
#define NT_THREAD_IS_TERMINATED     20u
#define NT_THREAD_SUSPEND_COUNT     35u
struct nt_thread_basic_information {
    int32_t exit_status;
    uint32_t teb_base_address;
    struct nt_client_id client_id;
    uint32_t affinity_mask;
    int32_t priority;
    int32_t base_priority;
};
NT_SIZE(nt_thread_basic_information, 28);

/* NtQueryObject. */
#define NT_OBJECT_BASIC_INFORMATION  0u
#define NT_OBJECT_NAME_INFORMATION   1u
#define NT_OBJECT_TYPE_INFORMATION   2u
#define NT_OBJECT_HANDLE_INFORMATION 4u /* also NtSetInformationObject's */
struct nt_object_basic_information {
    uint32_t attributes;
    uint32_t granted_access;
    uint32_t handle_count;
    uint32_t pointer_count;
    uint32_t paged_pool_usage;
    uint32_t non_paged_pool_usage;
    uint32_t reserved[3];
    uint32_t name_information_length;
    uint32_t type_information_length;
    uint32_t security_descriptor_length;
    int64_t create_time;
};
NT_SIZE(nt_object_basic_information, 56);

struct nt_object_type_information {
    struct nt_unicode_string type_name;
    uint32_t total_objects;
    uint32_t total_handles;
    uint32_t total_paged_pool, total_non_paged_pool, total_name_pool, total_handle_table;
    uint32_t high_objects, high_handles;
    uint32_t high_paged_pool, high_non_paged_pool, high_name_pool, high_handle_table;
    uint32_t invalid_attributes;
    uint32_t generic_read, generic_write, generic_execute, generic_all;
    uint32_t valid_access_mask;
    uint8_t security_required;
    uint8_t maintain_handle_count;
    uint16_t maintain_type_list;
    uint32_t pool_type;
    uint32_t paged_pool_usage, non_paged_pool_usage;
};
NT_SIZE(nt_object_type_information, 96);

struct nt_object_handle_information {
    uint8_t inherit;
    uint8_t protect_from_close;
};

/* NtQueryEvent (0), and the kinds of NtCreateEvent. */
#define NT_NOTIFICATION_EVENT    0u /* manual reset */
#define NT_SYNCHRONIZATION_EVENT 1u
struct nt_event_basic_information {
    uint32_t event_type;
    int32_t event_state;
};

/* Files: NtQueryInformationFile and its kin. */
#define NT_FILE_DIRECTORY_INFORMATION         1u
#define NT_FILE_FULL_DIRECTORY_INFORMATION    2u
#define NT_FILE_BOTH_DIRECTORY_INFORMATION    3u
#define NT_FILE_BASIC_INFORMATION             4u
#define NT_FILE_STANDARD_INFORMATION          5u
#define NT_FILE_INTERNAL_INFORMATION          6u
#define NT_FILE_EA_INFORMATION                7u
#define NT_FILE_ACCESS_INFORMATION            8u
#define NT_FILE_NAME_INFORMATION              9u
#define NT_FILE_RENAME_INFORMATION            10u
#define NT_FILE_LINK_INFORMATION              11u
#define NT_FILE_NAMES_INFORMATION             12u
#define NT_FILE_DISPOSITION_INFORMATION       13u
#define NT_FILE_POSITION_INFORMATION          14u
#define NT_FILE_MODE_INFORMATION              16u
#define NT_FILE_ALL_INFORMATION               18u
#define NT_FILE_ALLOCATION_INFORMATION        19u
#define NT_FILE_END_OF_FILE_INFORMATION       20u
#define NT_FILE_NETWORK_OPEN_INFORMATION      34u
#define NT_FILE_ATTRIBUTE_TAG_INFORMATION     35u
#define NT_FILE_ID_BOTH_DIRECTORY_INFORMATION 37u

struct nt_file_basic_information {
    int64_t creation_time, last_access_time, last_write_time, change_time;
    uint32_t file_attributes;
    uint32_t padding;
};
NT_SIZE(nt_file_basic_information, 40);

struct nt_file_standard_information {
    int64_t allocation_size;
    int64_t end_of_file;
    uint32_t number_of_links;
    uint8_t delete_pending;
    uint8_t directory;
    uint16_t padding;
};
NT_SIZE(nt_file_standard_information, 24);

struct nt_file_network_open_information {
    int64_t creation_time, last_access_time, last_write_time, change_time;
    int64_t allocation_size;
    int64_t end_of_file;
    uint32_t file_attributes;
    uint32_t padding;
};
NT_SIZE(nt_file_network_open_information, 56);

/* FileLinkInformation has the same. */
struct nt_file_rename_information {
    uint8_t replace_if_exists;
    uint8_t padding[3];
    uint32_t root_directory;
    uint32_t file_name_length; /* bytes */
    uint16_t file_name[1];
};
NT_OFFSET(nt_file_rename_information, file_name, 12);

/* FileDirectoryInformation, FileFullDirectoryInformation: the name follows at once. */
struct nt_file_directory_information {
    uint32_t next_entry_offset;
    uint32_t file_index;
    int64_t creation_time, last_access_time, last_write_time, change_time;
    int64_t end_of_file;
    int64_t allocation_size;
    uint32_t file_attributes;
    uint32_t file_name_length; /* bytes; the name lies at 0x40, 0x44 (full), 0x5E (both) */
};
NT_SIZE(nt_file_directory_information, 0x40);

struct nt_file_both_directory_information {
    struct nt_file_directory_information base;
    uint32_t ea_size;
    uint8_t short_name_length;
    uint8_t padding;
    uint16_t short_name[12];
    uint16_t file_name[1]; /* at 0x5E */
};
NT_OFFSET(nt_file_both_directory_information, short_name_length, 0x44);
NT_OFFSET(nt_file_both_directory_information, file_name, 0x5E);

/* NtQueryVolumeInformationFile. */
#define NT_FS_VOLUME_INFORMATION    1u
#define NT_FS_SIZE_INFORMATION      3u
#define NT_FS_DEVICE_INFORMATION    4u
#define NT_FS_ATTRIBUTE_INFORMATION 5u
#define NT_DEVICE_DISK              7u
#define NT_DEVICE_NULL              0x15u
#define NT_DEVICE_NAMED_PIPE        0x11u
#define NT_DEVICE_CONSOLE           0x50u
struct nt_fs_device_information {
    uint32_t device_type;
    uint32_t characteristics;
};
struct nt_fs_size_information {
    int64_t total_allocation_units;
    int64_t available_allocation_units;
    uint32_t sectors_per_allocation_unit;
    uint32_t bytes_per_sector;
};
NT_SIZE(nt_fs_size_information, 24);
struct nt_fs_volume_information {
    int64_t creation_time;
    uint32_t serial_number;
    uint32_t label_length; /* bytes; the label follows at 18 */
    uint8_t supports_objects;
    uint8_t padding;
    uint16_t label[1];
};
NT_OFFSET(nt_fs_volume_information, label, 18);
struct nt_fs_attribute_information {
    uint32_t attributes;
    int32_t maximum_component_length;
    uint32_t name_length; /* bytes; the name follows */
    uint16_t name[2];
};

/* NtQuerySystemInformation. */
#define NT_SYSTEM_BASIC_INFORMATION       0u
#define NT_SYSTEM_PROCESSOR_INFORMATION   1u
#define NT_SYSTEM_PERFORMANCE_INFORMATION 2u
#define NT_SYSTEM_TIME_OF_DAY             3u
#define NT_SYSTEM_PROCESS_INFORMATION     5u
#define NT_SYSTEM_PROCESSOR_PERFORMANCE   8u
#define NT_SYSTEM_PAGE_FILE_INFORMATION   18u
struct nt_system_basic_information {
    uint32_t reserved;
    uint32_t timer_resolution; /* 100 ns */
    uint32_t page_size;
    uint32_t number_of_physical_pages;
    uint32_t lowest_physical_page_number;
    uint32_t highest_physical_page_number;
    uint32_t allocation_granularity;
    uint32_t minimum_user_mode_address;
    uint32_t maximum_user_mode_address;
    uint32_t active_processors_affinity_mask;
    uint8_t number_of_processors;
    uint8_t padding[3];
};
NT_SIZE(nt_system_basic_information, 44);

struct nt_system_processor_information {
    uint16_t processor_architecture; /* 0: x86 */
    uint16_t processor_level;
    uint16_t processor_revision;
    uint16_t maximum_processors;
    uint32_t processor_feature_bits;
};
NT_SIZE(nt_system_processor_information, 12);

/* What the kernel does not count (and has not: paged pool, cache manager) reads zero. */
struct nt_system_performance_information {
    int64_t idle_time; /* 100 ns */
    int64_t io_read_transfer_count, io_write_transfer_count, io_other_transfer_count;
    uint32_t io_read_operations, io_write_operations, io_other_operations;
    uint32_t available_pages;
    uint32_t committed_pages;
    uint32_t commit_limit;
    uint32_t peak_commitment;
    uint32_t page_fault_count;
    uint32_t copy_on_write_count, transition_count, cache_transition_count, demand_zero_count;
    uint32_t page_read_count, page_read_io_count, cache_read_count, cache_io_count;
    uint32_t dirty_pages_write_count, dirty_write_io_count;
    uint32_t mapped_pages_write_count, mapped_write_io_count;
    uint32_t paged_pool_pages, non_paged_pool_pages;
    uint8_t reserved_78[0x128 - 0x78];
    uint32_t context_switches;
    uint32_t reserved_12c[3];
};
NT_OFFSET(nt_system_performance_information, page_read_count, 0x50);
NT_OFFSET(nt_system_performance_information, context_switches, 0x128);
NT_OFFSET(nt_system_performance_information, available_pages, 0x2C);
NT_SIZE(nt_system_performance_information, 0x138);

struct nt_system_time_of_day {
    int64_t boot_time;
    int64_t current_time;
    int64_t time_zone_bias;
    uint32_t time_zone_id;
    uint32_t reserved;
};
NT_SIZE(nt_system_time_of_day, 32);

struct nt_system_process_information {
    uint32_t next_entry_offset;
    uint32_t number_of_threads;
    int64_t reserved[3];
    int64_t create_time, user_time, kernel_time;
    struct nt_unicode_string image_name;
    int32_t base_priority;
    uint32_t unique_process_id;
    uint32_t inherited_from_unique_process_id;
    uint32_t handle_count;
    uint32_t session_id;
    uint32_t reserved_58;
    struct nt_vm_counters vm;
    uint32_t private_page_count;
    struct nt_io_counters io_counters;
    /* nt_system_thread_information would follow; NumberOfThreads of them, reading zero but for
       the identifiers */
};
NT_OFFSET(nt_system_process_information, image_name, 0x38);
NT_OFFSET(nt_system_process_information, unique_process_id, 0x44);
NT_OFFSET(nt_system_process_information, vm, 0x58);
NT_SIZE(nt_system_process_information, 0xB8);

struct nt_system_processor_performance {
    int64_t idle_time, kernel_time, user_time, dpc_time, interrupt_time;
    uint32_t interrupt_count;
    uint32_t padding;
};
NT_SIZE(nt_system_processor_performance, 48);

struct nt_system_page_file_information {
    uint32_t next_entry_offset;
    uint32_t total_size; /* pages */
    uint32_t total_in_use;
    uint32_t peak_usage;
    struct nt_unicode_string page_file_name;
};
NT_SIZE(nt_system_page_file_information, 24);

/* KUSER_SHARED_DATA: the page at 0x7FFE0000. Times are high1, low, high2: read until both equal. */
struct nt_system_time {
    uint32_t low;
    int32_t high1;
    int32_t high2;
};
struct nt_shared_data {
    uint32_t tick_count_low; /* with multiplier 1 << 24: milliseconds */
    uint32_t tick_count_multiplier;
    struct nt_system_time interrupt_time; /* 100 ns since boot */
    struct nt_system_time system_time;    /* 100 ns since 1601 */
    struct nt_system_time time_zone_bias;
    uint16_t image_number_low, image_number_high;
    uint16_t nt_system_root[260];
    uint32_t max_stack_trace_depth;
    uint32_t crypto_exponent;
    uint32_t time_zone_id;
    uint32_t large_page_minimum;
    uint32_t reserved_248[7];
    uint32_t nt_product_type;
    uint8_t product_type_is_valid;
    uint8_t reserved_269[3];
    uint32_t nt_major_version;
    uint32_t nt_minor_version;
    uint8_t processor_features[64];
    uint32_t reserved_2b4[2];
    uint32_t time_slip;
    uint32_t alternative_architecture;
    uint32_t boot_id;
    int64_t system_expiration_date;
    uint32_t suite_mask;
    uint8_t kd_debugger_enabled;
    uint8_t nx_support_policy;
    uint8_t reserved_2d6[2];
    uint32_t active_console_id;
    uint32_t dismount_count;
    uint32_t com_plus_package;
    uint32_t last_system_rit_event_tick_count;
    uint32_t number_of_physical_pages;
    uint8_t safe_boot_mode;
    uint8_t reserved_2ed[3];
    uint32_t trace_logging;
    uint32_t reserved_2f4;
    uint64_t test_ret_instruction;
    uint32_t system_call;        /* 0x300: address of the system-call stub */
    uint32_t system_call_return; /* 0x304 */
    uint64_t system_call_pad[3];
    struct nt_system_time tick_count; /* 0x320 */
    uint32_t tick_count_pad;
};
NT_OFFSET(nt_shared_data, interrupt_time, 0x08);
NT_OFFSET(nt_shared_data, system_time, 0x14);
NT_OFFSET(nt_shared_data, nt_system_root, 0x30);
NT_OFFSET(nt_shared_data, nt_product_type, 0x264);
NT_OFFSET(nt_shared_data, nt_major_version, 0x26C);
NT_OFFSET(nt_shared_data, processor_features, 0x274);
NT_OFFSET(nt_shared_data, suite_mask, 0x2D0);
NT_OFFSET(nt_shared_data, number_of_physical_pages, 0x2E8);
NT_OFFSET(nt_shared_data, system_call, 0x300);
NT_OFFSET(nt_shared_data, tick_count, 0x320);

/* Indices of processor_features. */
#define NT_FEATURE_COMPARE_EXCHANGE_DOUBLE 2
#define NT_FEATURE_MMX                     3
#define NT_FEATURE_XMMI                    6
#define NT_FEATURE_RDTSC                   8
#define NT_FEATURE_PAE                     9
#define NT_FEATURE_XMMI64                  10
#define NT_FEATURE_NX                      12

#endif

//! The protos keep buf's STANDARD rules, read from the descriptors; and every RPC says how
//! it may be called.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Label;
use prost_types::method_options::IdempotencyLevel;

const POLICY: &str = "paymesh.mesh.v1.policy";
const CALLERS: &[&str] = &["client", "operator", "pay-gateway", "task", "trade"];

fn ours(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    pool.files()
        .filter(|file| !file.name().starts_with("google/"))
        .collect()
}

fn messages(file: &FileDescriptor) -> Vec<MessageDescriptor> {
    let mut found = Vec::new();
    let mut left: Vec<_> = file.messages().collect();
    while let Some(message) = left.pop() {
        left.extend(message.child_messages());
        found.push(message);
    }
    found
}

fn methods(file: &FileDescriptor) -> Vec<MethodDescriptor> {
    file.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.contains("__")
        && !name.ends_with('_')
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn upper_snake(pascal: &str) -> String {
    let mut upper = String::new();
    for (at, letter) in pascal.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}

/// What breaks the rules: the rule's name and where.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn unless(&mut self, right: bool, rule: &str, place: impl AsRef<str>) {
        if !right {
            self.0.push(format!("{rule} {}", place.as_ref()));
        }
    }
}

fn findings(pool: &DescriptorPool) -> Vec<String> {
    let mut found = Findings::default();
    for file in ours(pool) {
        check_file(&file, &mut found);
        check_imports(&file, &mut found);
        check_messages(&file, &mut found);
        check_enums(&file, &mut found);
        check_services(&file, &mut found);
    }
    check_packages(pool, &mut found);
    check_types_of_calls(pool, &mut found);
    found.0
}

fn check_file(file: &FileDescriptor, found: &mut Findings) {
    let (name, package) = (file.name(), file.package_name());
    let (folder, base) = name.rsplit_once('/').unwrap_or(("", name));
    found.unless(!package.is_empty(), "PACKAGE_DEFINED", name);
    found.unless(
        folder == package.replace('.', "/"),
        "PACKAGE_DIRECTORY_MATCH",
        name,
    );
    found.unless(
        package.split('.').all(is_snake),
        "PACKAGE_LOWER_SNAKE_CASE",
        name,
    );
    let version = package
        .rsplit('.')
        .next()
        .and_then(|last| last.strip_prefix('v'));
    let versioned = version.is_some_and(|v| v.parse::<u32>().is_ok_and(|version| version > 0));
    found.unless(versioned, "PACKAGE_VERSION_SUFFIX", name);
    found.unless(
        base.strip_suffix(".proto").is_some_and(is_snake),
        "FILE_LOWER_SNAKE_CASE",
        name,
    );
    found.unless(
        file.file_descriptor_proto().syntax() == "proto3",
        "SYNTAX_SPECIFIED",
        name,
    );
    let public = &file.file_descriptor_proto().public_dependency;
    found.unless(public.is_empty(), "IMPORT_NO_PUBLIC", name);
}

fn check_imports(file: &FileDescriptor, found: &mut Findings) {
    let mut used = BTreeSet::new();
    let fields = messages(file)
        .into_iter()
        .flat_map(|m| m.fields().collect::<Vec<_>>());
    for kind in fields.map(|field| field.kind()) {
        used.extend(kind.as_message().map(|m| m.parent_file().name().to_owned()));
        used.extend(kind.as_enum().map(|e| e.parent_file().name().to_owned()));
    }
    for method in methods(file) {
        used.insert(method.input().parent_file().name().to_owned());
        used.insert(method.output().parent_file().name().to_owned());
        let options = method.options();
        used.extend(
            options
                .extensions()
                .map(|(option, _)| option.parent_file().name().to_owned()),
        );
    }
    for extension in file.extensions() {
        used.insert(
            extension
                .containing_message()
                .parent_file()
                .name()
                .to_owned(),
        );
        let kind = extension.kind();
        used.extend(kind.as_message().map(|m| m.parent_file().name().to_owned()));
    }
    for import in file.dependencies() {
        let place = format!("{} imports {}", file.name(), import.name());
        found.unless(used.contains(import.name()), "IMPORT_USED", place);
    }
}

fn check_messages(file: &FileDescriptor, found: &mut Findings) {
    for message in messages(file) {
        found.unless(
            is_pascal(message.name()),
            "MESSAGE_PASCAL_CASE",
            message.full_name(),
        );
        for field in message.fields() {
            found.unless(
                is_snake(field.name()),
                "FIELD_LOWER_SNAKE_CASE",
                field.full_name(),
            );
            let required = field.field_descriptor_proto().label() == Label::Required;
            found.unless(!required, "FIELD_NOT_REQUIRED", field.full_name());
        }
        // A proto3 `optional` makes a oneof of its own, which nobody writes.
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            found.unless(
                is_snake(oneof.name()),
                "ONEOF_LOWER_SNAKE_CASE",
                oneof.full_name(),
            );
        }
    }
}

fn check_enums(file: &FileDescriptor, found: &mut Findings) {
    let inner = messages(file)
        .into_iter()
        .flat_map(|m| m.child_enums().collect::<Vec<_>>());
    for kind in file.enums().chain(inner) {
        found.unless(is_pascal(kind.name()), "ENUM_PASCAL_CASE", kind.full_name());
        let proto = kind.enum_descriptor_proto();
        let alias = proto
            .options
            .as_ref()
            .is_some_and(prost_types::EnumOptions::allow_alias);
        found.unless(!alias, "ENUM_NO_ALLOW_ALIAS", kind.full_name());
        let first = proto
            .value
            .first()
            .map(prost_types::EnumValueDescriptorProto::number);
        found.unless(first == Some(0), "ENUM_FIRST_VALUE_ZERO", kind.full_name());
        let prefix = upper_snake(kind.name()) + "_";
        for value in kind.values() {
            let name = value.name();
            found.unless(
                is_snake(&name.to_lowercase()) && name == name.to_uppercase(),
                "ENUM_VALUE_UPPER_SNAKE_CASE",
                name,
            );
            found.unless(name.starts_with(&prefix), "ENUM_VALUE_PREFIX", name);
            let unspecified = name == format!("{prefix}UNSPECIFIED");
            found.unless(
                (value.number() == 0) == unspecified,
                "ENUM_ZERO_VALUE_SUFFIX",
                name,
            );
        }
    }
}

fn check_services(file: &FileDescriptor, found: &mut Findings) {
    for service in file.services() {
        found.unless(
            is_pascal(service.name()),
            "SERVICE_PASCAL_CASE",
            service.full_name(),
        );
        found.unless(
            service.name().ends_with("Service"),
            "SERVICE_SUFFIX",
            service.full_name(),
        );
    }
    for method in methods(file) {
        found.unless(
            is_pascal(method.name()),
            "RPC_PASCAL_CASE",
            method.full_name(),
        );
        check_call(&method, found);
        check_policy(&method, found);
        let comment = comment_of(&method).is_some_and(|text| !text.trim().is_empty());
        found.unless(comment, "COMMENT_RPC", method.full_name());
    }
}

fn check_call(method: &MethodDescriptor, found: &mut Findings) {
    let (name, service) = (
        method.name().to_owned(),
        method.parent_service().name().to_owned(),
    );
    for (rule, message, suffix) in [
        ("RPC_REQUEST_STANDARD_NAME", method.input(), "Request"),
        ("RPC_RESPONSE_STANDARD_NAME", method.output(), "Response"),
    ] {
        let standard = [
            format!("{name}{suffix}"),
            format!("{service}{name}{suffix}"),
        ];
        found.unless(
            standard.iter().any(|name| name == message.name()),
            rule,
            method.full_name(),
        );
    }
}

fn check_policy(method: &MethodDescriptor, found: &mut Findings) {
    let options = method
        .method_descriptor_proto()
        .options
        .clone()
        .unwrap_or_default();
    let level = options.idempotency_level();
    found.unless(
        level != IdempotencyLevel::IdempotencyUnknown,
        "IDEMPOTENCY_LEVEL",
        method.full_name(),
    );
    let option = method.parent_pool().get_extension_by_name(POLICY);
    let options = method.options();
    let policy = option.filter(|option| options.has_extension(option));
    let policy = policy.map(|option| options.get_extension(&option).into_owned());
    let Some(policy) = policy.as_ref().and_then(|policy| policy.as_message()) else {
        return found.unless(false, "POLICY", method.full_name());
    };
    found.unless(
        policy.has_field_by_name("timeout"),
        "POLICY_TIMEOUT",
        method.full_name(),
    );
    let callers = policy
        .get_field_by_name("callers")
        .map(std::borrow::Cow::into_owned);
    let callers = callers
        .as_ref()
        .and_then(|callers| callers.as_list())
        .unwrap_or_default();
    let known = |caller: &prost_reflect::Value| {
        caller
            .as_str()
            .is_some_and(|caller| CALLERS.contains(&caller))
    };
    found.unless(
        !callers.is_empty() && callers.iter().all(known),
        "POLICY_CALLERS",
        method.full_name(),
    );
}

fn comment_of(method: &MethodDescriptor) -> Option<String> {
    let path = method.path();
    let info = method
        .parent_file()
        .file_descriptor_proto()
        .source_code_info
        .clone()?;
    let place = info.location.into_iter().find(|place| place.path == path)?;
    place.leading_comments
}

fn check_packages(pool: &DescriptorPool, found: &mut Findings) {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut options: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in ours(pool) {
        let package = file.package_name().to_owned();
        let others = file
            .dependencies()
            .map(|other| other.package_name().to_owned());
        let others = others.filter(|other| *other != package && !other.starts_with("google."));
        imports
            .entry(package.clone())
            .or_default()
            .extend(others.collect::<Vec<_>>());
        let folder = file
            .name()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        folders
            .entry(package.clone())
            .or_default()
            .insert(folder.to_owned());
        let set = format!("{:?}", file.file_descriptor_proto().options);
        options.entry(package).or_default().insert(set);
    }
    for (package, folders) in folders {
        found.unless(folders.len() == 1, "PACKAGE_SAME_DIRECTORY", package);
    }
    for (package, options) in options {
        found.unless(options.len() == 1, "PACKAGE_SAME_OPTIONS", package);
    }
    while let Some(free) = imports
        .iter()
        .find(|(_, others)| others.is_empty())
        .map(|(name, _)| name.clone())
    {
        imports.remove(&free);
        for others in imports.values_mut() {
            others.remove(&free);
        }
    }
    for package in imports.into_keys() {
        found.unless(false, "PACKAGE_NO_IMPORT_CYCLE", package);
    }
}

fn check_types_of_calls(pool: &DescriptorPool, found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for method in ours(pool).iter().flat_map(methods) {
        for message in [method.input(), method.output()] {
            let fresh = seen.insert(message.full_name().to_owned());
            found.unless(fresh, "RPC_REQUEST_RESPONSE_UNIQUE", method.full_name());
        }
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(proto::DESCRIPTORS).unwrap()
}

#[test]
fn the_protos_keep_every_rule() {
    assert_eq!(findings(&pool()), Vec::<String>::new());
}

#[test]
fn every_rpc_says_how_it_may_be_called_and_by_whom() {
    let calls: Vec<_> = ours(&pool()).iter().flat_map(methods).collect();
    assert!(calls.len() >= 17, "{}", calls.len());
    let policies = mesh::Policies::read(proto::DESCRIPTORS).unwrap();
    for call in calls {
        let path = format!("/{}/{}", call.parent_service().full_name(), call.name());
        let policy = policies.of(&path);
        assert!(!policy.callers.is_empty() && policy.idempotent, "{path}");
        assert!(!policy.timeout.is_zero(), "{path}");
    }
}

/// The protos with something changed; options of ours are lost on the way.
fn changed(change: impl FnOnce(&mut FileDescriptorSet)) -> Vec<String> {
    let mut set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    change(&mut set);
    findings(&DescriptorPool::from_file_descriptor_set(set).unwrap())
}

/// The file of trade's protos.
fn trade(set: &mut FileDescriptorSet) -> &mut prost_types::FileDescriptorProto {
    set.file
        .iter_mut()
        .find(|file| file.name() == "paymesh/trade/v1/trade.proto")
        .unwrap()
}

#[track_caller]
fn finds(rule: &str, change: impl FnOnce(&mut prost_types::FileDescriptorProto)) {
    let found = changed(|set| change(trade(set)));
    let named = found
        .iter()
        .any(|finding| finding.split(' ').next() == Some(rule));
    assert!(named, "{rule} is not among {found:?}");
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let set = |text: &mut Option<String>, to: &str| *text = Some(to.to_owned());
    finds("PACKAGE_DIRECTORY_MATCH", |file| {
        set(&mut file.name, "paymesh/other/v1/trade.proto");
    });
    finds("PACKAGE_SAME_DIRECTORY", |file| {
        // Into another file's package.
        let copy = file.clone();
        *file = prost_types::FileDescriptorProto {
            name: Some("paymesh/x/v1/y.proto".to_owned()),
            ..copy
        };
        file.package = Some("paymesh.mesh.v1".to_owned());
        file.message_type.clear();
        file.service.clear();
        file.enum_type.clear();
    });
    finds("FILE_LOWER_SNAKE_CASE", |file| {
        set(&mut file.name, "paymesh/trade/v1/Trade.proto");
    });
    finds("SYNTAX_SPECIFIED", |file| file.syntax = None);
    finds("IMPORT_NO_PUBLIC", |file| file.public_dependency.push(0));
    finds("IMPORT_USED", |file| {
        file.dependency
            .push("google/protobuf/duration.proto".to_owned());
    });
    finds("MESSAGE_PASCAL_CASE", |file| {
        file.message_type.push(prost_types::DescriptorProto {
            name: Some("an_order".to_owned()),
            ..Default::default()
        });
    });
    finds("FIELD_LOWER_SNAKE_CASE", |file| {
        set(&mut file.message_type[0].field[0].name, "anotherName");
    });
    finds("ENUM_VALUE_PREFIX", |file| {
        set(&mut file.enum_type[0].value[1].name, "UNPAID");
    });
    finds("ENUM_VALUE_UPPER_SNAKE_CASE", |file| {
        set(&mut file.enum_type[0].value[1].name, "ORDER_STATUS_unpaid");
    });
    finds("ENUM_ZERO_VALUE_SUFFIX", |file| {
        set(&mut file.enum_type[0].value[0].name, "ORDER_STATUS_NONE");
    });
    finds("ENUM_PASCAL_CASE", |file| {
        let mut odd = file.enum_type[0].clone();
        odd.name = Some("order_status".to_owned());
        odd.value
            .iter_mut()
            .for_each(|value| value.name = Some(format!("X_{}", value.name())));
        file.enum_type.push(odd);
    });
    finds("SERVICE_SUFFIX", |file| {
        set(&mut file.service[0].name, "Trade");
    });
    finds("RPC_PASCAL_CASE", |file| {
        set(&mut file.service[0].method[0].name, "create_order");
    });
    finds("RPC_REQUEST_STANDARD_NAME", |file| {
        file.service[0].method[0].input_type = Some(".paymesh.trade.v1.Order".to_owned());
    });
    finds("RPC_RESPONSE_STANDARD_NAME", |file| {
        file.service[0].method[0].output_type = Some(".paymesh.trade.v1.Order".to_owned());
    });
    finds("RPC_REQUEST_RESPONSE_UNIQUE", |file| {
        let method = file.service[0].method[0].clone();
        file.service[0].method[1].input_type = method.input_type;
    });
    finds("COMMENT_RPC", |file| file.source_code_info = None);
    finds("IDEMPOTENCY_LEVEL", |file| {
        file.service[0].method[0]
            .options
            .as_mut()
            .unwrap()
            .idempotency_level = None;
    });
    // Read as prost reads it, a method's own options are not there.
    finds("POLICY", |_| {});
}

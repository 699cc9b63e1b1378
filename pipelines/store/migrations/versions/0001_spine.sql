-- The spine: workspaces, sources, people, messages and what is derived from them, events with their outbox.

create table workspaces (
    slug text primary key check (slug ~ '^[a-z0-9-]{1,40}$'),
    time_zone text not null default 'UTC',
    created_at timestamptz not null default now()
);
insert into workspaces (slug) values ('default');

-- One row a workspace, apart from workspaces: handing out numbers must not block readers of settings by key.
create table task_numbers (
    workspace text primary key references workspaces,
    last bigint not null default 0
);
insert into task_numbers (workspace) values ('default');

-- Changes only by a restore: a client that saw another epoch must resync.
create table epoch (
    singleton boolean primary key default true check (singleton),
    id uuid not null default gen_random_uuid()
);
insert into epoch default values;

create table sources (
    workspace text not null references workspaces,
    slug text not null check (slug ~ '^[a-z0-9-]{1,40}$'),
    channel text not null check (channel ~ '^[a-z0-9-]{1,40}$'),
    settings jsonb not null default '{}',
    secrets text[] not null default '{}',
    state text not null default 'active' check (state in ('active', 'paused')),
    cursor jsonb,
    created_at timestamptz not null default now(),
    primary key (workspace, slug)
);

create table people (
    id uuid primary key,
    workspace text not null references workspaces,
    name text not null,
    created_at timestamptz not null default now()
);
create index people_by_workspace on people (workspace, name);

-- A person is known by a handle in each channel.
create table handles (
    workspace text not null,
    channel text not null,
    handle text not null,
    person uuid not null references people on delete cascade,
    primary key (workspace, channel, handle)
);
create index handles_by_person on handles (person);

-- rank orders the versions of a message: a deletion outranks every edit, then the platform's stamp, then the digest.
create table messages (
    id bigint generated always as identity primary key,
    workspace text not null,
    source text not null,
    external_id text not null,
    channel text not null,
    kind text not null check (kind in ('new', 'edit', 'delete')),
    revision bigint not null,
    digest text not null,
    origin text not null check (origin in ('live', 'import', 'replay')),
    conversation text,
    thread text,
    reply_to text,
    author text,
    author_name text,
    sent_at timestamptz not null,
    received_at timestamptz not null,
    processed_at timestamptz not null default clock_timestamp(),
    text text not null,
    language text not null,
    links jsonb not null default '[]',
    mentions jsonb not null default '[]',
    attachments jsonb not null default '[]',
    payload jsonb not null default '{}',
    deleted boolean generated always as (kind = 'delete') stored,
    unique (workspace, source, external_id)
);
create index messages_by_conversation on messages (workspace, source, conversation, sent_at);
create index messages_by_reply on messages (workspace, source, reply_to) where reply_to is not null;

-- The versions that a newer one replaced, and those that came too late to be shown.
create table revisions (
    message bigint not null references messages on delete cascade,
    kind text not null,
    revision bigint not null,
    digest text not null,
    text text not null,
    payload jsonb not null default '{}',
    received_at timestamptz not null,
    primary key (message, kind, revision, digest)
);

-- A trigger and not a statement of the store: no path that advances a message can forget the version it replaces.
create function keep_revision() returns trigger language plpgsql as $$
begin
    insert into revisions (message, kind, revision, digest, text, payload, received_at)
    values (old.id, old.kind, old.revision, old.digest, old.text, old.payload, old.received_at)
    on conflict do nothing;
    return null;
end $$;
create trigger keep_revision after update of kind, revision, digest on messages
    for each row when (old.digest is distinct from new.digest or old.kind is distinct from new.kind)
    execute function keep_revision();

create table verdicts (
    id bigint generated always as identity primary key,
    workspace text not null,
    message bigint not null references messages on delete cascade,
    judge text not null,
    decided_by text not null check (decided_by in ('rule', 'model', 'llm', 'person')),
    category text not null check (category in ('bug', 'feature', 'improvement', 'question', 'chore', 'noise')),
    confidence real not null check (confidence between 0 and 1),
    alternatives jsonb not null default '[]',
    spans jsonb not null default '[]',
    reason text not null,
    doubtful boolean not null default false,
    at timestamptz not null default clock_timestamp()
);
create index verdicts_by_message on verdicts (message, id);

-- origin and ordinal: which message gave birth to the task, and as which of its tasks; null for one made by hand.
create table tasks (
    id uuid primary key,
    workspace text not null references workspaces,
    number bigint not null,
    origin bigint references messages,
    ordinal int,
    title text not null,
    description text not null default '',
    category text not null check (category in ('bug', 'feature', 'improvement', 'question', 'chore')),
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    status text not null default 'open' check (status in ('open', 'in_progress', 'blocked', 'done', 'cancelled')),
    assignee text,
    due date,
    labels text[] not null default '{}',
    review text not null default 'unreviewed' check (review in ('unreviewed', 'accepted', 'corrected', 'rejected')),
    version int not null default 1,
    confidence real not null default 1,
    merged_into uuid references tasks,
    provenance jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    unique (workspace, number),
    unique (origin, ordinal)
);
create index tasks_by_status on tasks (workspace, status, number desc);
create index tasks_by_assignee on tasks (workspace, assignee, number desc) where assignee is not null;
create index tasks_by_due on tasks (workspace, due) where due is not null;

create table evidence (
    task uuid not null references tasks on delete cascade,
    message bigint not null references messages on delete cascade,
    relation text not null check (relation in ('origin', 'reply', 'edit', 'duplicate')),
    spans jsonb not null default '[]',
    primary key (task, message, relation)
);
create index evidence_by_message on evidence (message);

create table comments (
    id bigint generated always as identity primary key,
    workspace text not null,
    task uuid not null references tasks on delete cascade,
    author text not null,
    text text not null,
    at timestamptz not null default clock_timestamp()
);
create index comments_by_task on comments (task, id);

-- Never updated, never deleted. seq is taken after the lock of the task's row, so it is in order for each task;
-- the relay turns it into a dense position.
create table events (
    seq bigint generated always as identity primary key,
    id uuid not null unique default gen_random_uuid(),
    workspace text not null,
    type text not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    task uuid,
    message bigint,
    data jsonb not null default '{}'
);
create index events_by_task on events (task, seq) where task is not null;

-- What the relay has not published yet: written with the event, deleted when its position is stored.
create table outbox (
    seq bigint primary key references events
);

create table positions (
    position bigint primary key,
    seq bigint not null unique references events
);

create table dead_letters (
    id uuid primary key,
    workspace text not null,
    subject text not null,
    stage text not null,
    reason text not null,
    body bytea not null,
    tries int not null default 1,
    stream_seq bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    requeued_at timestamptz
);
create index dead_letters_by_time on dead_letters (workspace, last_at desc, id);

-- Answers already given to requests that carry an Idempotency-Key, and commands already done.
create table idempotency (
    workspace text not null,
    key text not null,
    request text not null,
    response jsonb not null,
    at timestamptz not null default now(),
    primary key (workspace, key)
);
create index idempotency_by_age on idempotency (at);

-- How far an import of a file has come, so that it resumes; key is the file's content and addressing.
create table imports (
    workspace text not null,
    key text not null,
    done bigint not null,
    at timestamptz not null default now(),
    primary key (workspace, key)
);

-- Roles: who reads, who writes. The login roles of the embedded stack exist before; elsewhere they are group roles
-- that the connection takes on (options=-c role=...).
do $$
declare name text;
begin
    foreach name in array array['tasktracker_read', 'tasktracker_write'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
            execute format('grant %I to current_user', name);
        end if;
    end loop;
end $$;

grant usage on schema public to tasktracker_read, tasktracker_write;
grant select on all tables in schema public to tasktracker_read;
revoke select on sources from tasktracker_read;
grant select (workspace, slug, channel, settings, state, created_at) on sources to tasktracker_read;
grant select, insert, update on all tables in schema public to tasktracker_write;
revoke update on events, epoch from tasktracker_write;
revoke insert on epoch from tasktracker_write;
grant delete on outbox, idempotency, dead_letters to tasktracker_write;

-- edited: the bytes as a person mended them, beside the original ones; null where nobody did.
-- requeue, asked_at: the name of the last wish to send it round again, and when that was; until the letter dies again or
-- is edited.
-- sent: what went, or goes, round: the name of subject and bytes, by which it is known should it die again as mended.
alter table dead_letters
    add column version int not null default 1,
    add column edited bytea,
    add column edited_at timestamptz,
    add column requeue uuid,
    add column asked_at timestamptz,
    add column sent uuid;

alter table dead_letters
    add column state text not null generated always as (
        case when requeued_at is not null then 'sent' when requeue is not null then 'asked' else 'waiting' end
    ) stored,
    -- A reason begins with the key of its message (workspace/source/external id): without it, it is that of many.
    add column cause text not null generated always as (
        regexp_replace(reason, '^[a-z0-9-]+/[a-z0-9-]+/([^:]|:[^ ])*: ', '')
    ) stored;

create index dead_letters_by_sent on dead_letters (sent) where sent is not null;
create index dead_letters_by_cause on dead_letters (workspace, stage, cause, first_at, id);

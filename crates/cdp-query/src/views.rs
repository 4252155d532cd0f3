//! The views, as every engine takes them.

/// Views that every engine should have; `schemas/tables/views.md` explains them.
pub const VIEWS: [(&str, &str); 2] = [
    (
        "canonical",
        "select c.profile_id, coalesce(m.canonical_id, c.profile_id) as canonical_id \
         from (select distinct profile_id from identity where decision = 'claim') c \
         left join (select profile_id, canonical_id from (select profile_id, canonical_id, row_number() over \
         (partition by profile_id order by revision desc) as newest from identity where decision = 'canonical') r \
         where newest = 1) m on m.profile_id = c.profile_id",
    ),
    (
        "people",
        "select profile_id, created_at, first_seen, last_seen, events, traits, identifiers, counts, members, written_at \
         from (select *, row_number() over (partition by profile_id order by revision desc) as newest from profiles) r \
         where newest = 1 and merged_into is null",
    ),
];

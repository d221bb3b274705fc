"""The rows of the state: what each holds, its key, and how it is read. One module per family.

A row's value is canonical JSON; `to_json` of a row gives it, and the `parse_..._row` beside it reads it again. Names
have no slash, so prefixes do not collide.

    key                                row               value                                      module
    account/<name>                     Account           {name, keys, threshold, roles, suspended}  accounts
    administrators                     Administrators    {accounts: [names]}                        accounts
    candidate/<validator>              Candidate         {entry, digest, height, recorded_height}   governance
    governance                         Governance        {count, open, pending}                     governance
    proposal/<number, 20 digits>       Proposal          {number, proposer, changes, evidence,      governance
                                                          memo, expires, delay, digest,
                                                          created_height, approvals, rejections,
                                                          state, decided_height,
                                                          activation_height, code}
    stream/<name>                      Stream            {name, owner, writers, count, frozen}      streams
    evidence/<validator>/<height, 20   RecordedEvidence  {validator, height, kind, digest,          evidence
      digits>                                             recorded_height, transaction}
    latest/<stream>/<entity key hash>  LatestRecord      {stream, key, revision, height,            streams
                                                          transaction, operation}
    asset/<name>                       Asset             {name, owner, decimals, cap, issuers,      assets
                                                          supply}
    balance/<account>/<asset>          Balance           {account, asset, amount, frozen}           assets
    leaders                            Leaders           {<validator>: height of its last failed    settings
                                                          lead}
    parameters                         Parameters        {<parameter>: value}                       settings
    validators                         ValidatorSet      {quorum, validators}                       settings
    validator-key/<key>                ValidatorKey      {validator, purpose, since, until}         validator_keys

Records have no row of their own: they stand in the log, a stream's `count` numbers them, and `latest/…` binds the
newest record of an entity key, so that a state proof proves it. A balance of nothing that is not frozen has no row
either: so a state proof of absence proves that an account holds nothing.
"""

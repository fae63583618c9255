export {
    DistributedKey,
    type DistributedKeyArgs,
    type IdentityArgs,
    type VaultArgs,
} from "./distributedKey";
export {
    KeyRing,
    type KeyRingArgs,
    type KeyRingDistribution,
    type KeyRingDistributionOutput,
    type KeyRingIdentity,
    type KeyRingKey,
    type KeyRingKeyOutput,
    type KeyRingVault,
    type KeyRingVaultOutput,
} from "./keyRing";
export { KeyVault, type KeyVaultAccess, type KeyVaultArgs } from "./keyVault";
export { ManagedKey, type ManagedKeyArgs } from "./managedKey";
export { ServicePrincipal, type ServicePrincipalArgs } from "./servicePrincipal";
